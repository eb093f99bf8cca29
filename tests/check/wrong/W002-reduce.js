function(input) {
  var best = input.servers.reduce(function(a, b) { return a.sessions.length < b.sessions.length ? a : b; });
  return best.serverId;
}
