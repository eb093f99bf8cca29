function(input) {
  if (input.action !== 'session/start') { return; }
  const counts = input.servers.reduce((acc, s) => { acc[s.serverId] = s.sessions; return acc; }, {});
  const least = Object.keys(counts).reduce((a, b) => counts[a] <= counts[b] ? a : b);
  return least;
}
