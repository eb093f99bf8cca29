function(input) {
  const order = ['fast', 'slow'];
  const list = [...input.nodes];
  list.sort((a, b) => { if (a.sessions < b.sessions) return -1; if (a.sessions > b.sessions) return 1; return 0; });
  list.sort((a, b) => (a.freemem > b.freemem) - (a.freemem < b.freemem));
  list.sort((a, b) => order.indexOf(a.serverPool) - order.indexOf(b.serverPool) || a.id.localeCompare(b.id));
  list.sort(() => 0.5 - Math.random());
  return ~order.indexOf(input.data.pool) ? list.filter(n => n.serverPool === input.data.pool) : list;
}
