// prefer the node where the user has a session
function(input) {
  var user = input.user;
  var sessions = user && user.sessions || [];
  for (var i = 0; i < sessions.length; i++) {
    var id = sessions[i].serverId;
    for (var j = 0; j < input.servers.length; j++) {
      if (input.servers[j].serverId === id && input.servers[j].sessions < 20) return id;
    }
  }
}
