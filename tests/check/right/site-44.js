function filter(node) {
  const m = node.metadata || {};
  if (m.state && m.state !== 'ready') return false;
  return m.ssd === 'true' ? node.freemem > 4e9 : node.freemem > 8 * 1024 * 1024 * 1024;
}
