function(input) {
  for (var server in input.servers) {
    if (server.sessions < 5) return server.serverId;
  }
}
