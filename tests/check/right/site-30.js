var weights = { small: 1, large: 4 };
function weightOf(server) { return weights[server.metadata.size] || 1; }
function (input) {
  var best, low = Infinity;
  input.servers.map(function (s) { return { id: s.serverId, load: s.sessions / weightOf(s) }; })
    .forEach(function (one) { if (one.load < low) { low = one.load; best = one.id; } });
  return best;
}
