function(input) {
  var best = null;
  for (var i = 0; i < input.servers.length; i++) {
    if (best === null || input.servers[i].sessions < best.sessions) {
      best = input.servers[i];
    }
  }
  return best.serverId;
}
