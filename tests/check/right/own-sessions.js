function(input) {
  const servers = input.servers.map(s => ({ ...s, sessions: s.nodeData.sessions.filter(x => x.state !== 'pending') }));
  servers.sort((a, b) => a.sessions.length - b.sessions.length);
  return servers.length && servers[0].serverId;
}
