function(input) {
  const servers = input.servers.filter(s => s.gpu);
  servers.sort((a, b) => a.sessions > b.sessions);
  return servers[0].serverId;
}
