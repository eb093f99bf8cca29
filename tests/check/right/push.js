function(input) {
  var result = [];
  for (var i = 0; i < input.servers.length; i++) {
    var server = input.servers[i];
    if (server.gpu && server.sessions < 4) result.push(server);
  }
  result.sort(function(a, b) { return a.loadavg[0] - b.loadavg[0]; });
  if (result.length > 0) return result;
  throw "All GPU servers are busy";
}
