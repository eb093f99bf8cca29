function  (input) {
  //loadavg is the load of the last 1, 5 and 15 minutes
  var server = input.servers.reduce(function(low, s) {
    return s.loadavg[0] < low.loadavg[0] ? s : low;
  });
  return server.serverId;
}
