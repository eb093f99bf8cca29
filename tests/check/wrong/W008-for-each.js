function(input) {
  input.servers.forEach(function(server) {
    if (server.sessions < 5) return server.serverId;
  });
}
