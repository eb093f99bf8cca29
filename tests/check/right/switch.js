function(input) {
  switch (input.action) {
    case 'user/login': return input.servers.filter(s => s.login);
    case 'session/start': break;
    default: return null;
  }
  const user = input.user;
  const here = user.sessions.find(s => s.state !== 'pending');
  return here ? here.serverId : input.local.serverId;
}
