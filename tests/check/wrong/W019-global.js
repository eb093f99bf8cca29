function(input) {
  globalThis.turn = (globalThis.turn || 0) + 1;
  return input.servers[globalThis.turn % input.servers.length].serverId;
}
