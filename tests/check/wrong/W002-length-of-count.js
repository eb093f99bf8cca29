function(input) {
  return input.servers.filter(function(server) {
    return server.sessions.length < 10;
  });
}
