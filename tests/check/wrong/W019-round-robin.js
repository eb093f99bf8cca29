let last = -1;

function balance(input) {
  last = (last + 1) % input.servers.length;
  return input.servers[last].serverId;
}
