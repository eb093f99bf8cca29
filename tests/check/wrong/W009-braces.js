function(input) {
  return input.servers.filter(server => { server.staticData.gpu === true; });
}
