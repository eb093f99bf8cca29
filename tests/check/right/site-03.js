function(input) {
  let i = 0;
  while (i < input.servers.length) {
    const s = input.servers[i++];
    if (s.staticData && s.staticData.users && s.staticData.users.indexOf(input.user.login) !== -1) return s.serverId;
  }
  return input.servers.filter(function (s) { return !(s.staticData && s.staticData.users); });
}
