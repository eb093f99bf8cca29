function(input) {
  const f = s => s.freemem;
  const top = input.servers.slice().sort((a, b) => f(b) - f(a)).slice(0, 2).map(s => s.serverId);
  return input.servers.filter(s => top.indexOf(s.serverId) > -1);
}
