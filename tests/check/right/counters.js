function(input) {
  var counts = {};
  input.servers.forEach(function(server) {
    var pool = server.serverPool || 'none';
    counts[pool] = (counts[pool] || 0) + server.sessions;
  });
  var pools = Object.keys(counts).sort(function(a, b) { return counts[a] - counts[b]; });
  return input.servers.filter(function(server) { return (server.serverPool || 'none') === pools[0]; });
}
