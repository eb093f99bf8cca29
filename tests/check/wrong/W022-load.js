function(input) {
  return input.servers.sort(function(a, b) { return a.loadavg - b.loadavg; })[0].serverId;
}
