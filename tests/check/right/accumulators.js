(input) => {
  const byPool = input.nodes.reduce((acc, n) => { (acc[n.serverPool] ||= []).push(n); return acc; }, {});
  const all = input.nodes.reduce((acc, n) => acc.concat(n.nodeData.sessions), []);
  const names = new Set(all.map(s => s.user));
  const total = input.nodes.reduce((sum, n) => sum + n.sessions, 0);
  if (names.size > total) throw new Error('more users than sessions');
  const best = Object.values(byPool).map(list => list.sort((a, b) => a.sessions - b.sessions)[0]).filter(Boolean);
  return best.map(n => n.id);
}
