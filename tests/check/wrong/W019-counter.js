var counter = 0;
function(input) {
  var server = input.servers[counter % input.servers.length];
  counter++;
  return server.serverId;
}
