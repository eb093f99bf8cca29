function(input) {
  for (var i in input.servers) {
    var s = input.servers[i];
    if (s.sessions < 5) return s.serverId;
  }
  var byPool = {};
  for (var s of input.servers) (byPool[s.serverPool] = byPool[s.serverPool] || []).push(s);
  for (var pool in byPool) if (byPool[pool].length > 2) return byPool[pool];
}
