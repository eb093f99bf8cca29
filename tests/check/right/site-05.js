function(input) {
  var servers = input.servers.filter(function(s) { return s.serverPool == 'gpu'; });
  if (servers.length == 0) servers = input.servers;
  var total = 0;
  for (var i in servers) total += servers[i].sessions;
  var average = total / servers.length;
  return servers.filter(function(s) { return s.sessions <= average; });
}
