const isFree = n => n.sessions < (n.staticData.limit ?? n.maxSessions ?? 40);
const rank = n => [n.sessions, -n.freemem];
(input) => {
  const free = input.nodes.filter(isFree);
  if (!free.length) throw new Error(`All ${input.nodes.length} nodes are busy`);
  free.sort((a, b) => { const [x, y] = [rank(a), rank(b)]; return x[0] - y[0] || x[1] - y[1]; });
  return free[0].id;
}
