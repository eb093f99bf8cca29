//back to a session that the user has, else to the server of the login
function  (input) {
  var sessions = input.user.sessions;
  if (sessions.length > 0) return sessions[0].serverId;
  return input.user.serverId;
}
