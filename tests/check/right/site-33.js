var LIMITS = { "server-1": 10, "server-2": 20 };
function(input) {
  return input.servers.filter(function(s) {
    var limit = LIMITS[s.serverId];
    return limit === undefined || s.sessions < limit;
  });
}
