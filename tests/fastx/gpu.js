//static data: { "gpu": true }
function  (input) {
  var servers = input.servers.filter(function(server) {
    return server.gpu;
  });
  if (servers.length == 0) {
    throw new Error("All GPU servers are in use");
  }
  return servers;
}
