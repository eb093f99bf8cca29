function(input) {
  input.servers.map(s => { s.rank = s.sessions / (s.staticData.weight || 1); });
  input.servers.some(s => { if (s.rank > 5) console.log(s.serverId); });
  return input.servers.sort((a, b) => a.rank - b.rank);
}
