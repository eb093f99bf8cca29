function(input) {
  const kind = input.data.kind || 'desktop';
  const table = { desktop: s => s.sessions, render: s => s.loadavg[0], memory: s => -s.freemem };
  const key = table[kind];
  return input.servers.sort((a, b) => key(a) - key(b));
}
