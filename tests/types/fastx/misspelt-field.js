// expect: TS2551 'sesions'
function(input) {
  var free = input.servers.filter(function(server) { return server.sesions < 10; });
  return free;
}
