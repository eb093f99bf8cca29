function(input) {
  var servers = input.servers.sort(function(a, b) {
    return b.freemem - a.freemem;
  });
  return servers[0].serverId;
}
