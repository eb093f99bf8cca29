function(input) {
  try {
    const data = JSON.parse(input.data.options || '{}');
    if (data.node) return data.node;
  } catch (e) { console.warn('bad options', e.message); }
  return input.servers.sort((a, b) => b.uptime - a.uptime).slice(0, 3);
}
