function(input) {
  input.servers.forEach(function(s) { s.session = s.sessions * 2; s.load = s.loadavg[0]; });
  return input.servers.map(s => ({ ...s, memory_free: s.freemem })).sort((a, b) => a.session - b.session);
}
