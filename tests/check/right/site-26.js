function(input) {
  var pools = new Map();
  input.servers.forEach(s => {
    const list = pools.get(s.metadata.pool) || [];
    list.push(s);
    pools.set(s.metadata.pool, list);
  });
  const mine = pools.get(input.data.pool) ?? input.servers;
  mine.sort((x, y) => x.sessions === y.sessions ? y.freemem - x.freemem : x.sessions - y.sessions);
  return mine[0] ? mine[0].serverId : null;
}
