// The node with the fewest sessions.
function(input) {
  var best = input.servers[0];
  for (var i = 1; i < input.servers.length; i++) {
    if (input.servers[i].sesions < best.sesions) best = input.servers[i];
  }
  return best.serverId;
}
