function(input) {
  var servers = input.servers;
  return servers[input.sequence % servers.length].serverId;
}
