function(input) {
  input.servers.slice().sort((a, b) => a.sessions - b.sessions);
  return input.servers[0].serverId;
}
