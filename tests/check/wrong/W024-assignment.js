function(input) {
  return input.servers.filter(server => server.metadata.pool = 'render');
}
