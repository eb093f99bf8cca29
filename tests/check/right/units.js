function filter(node) {
  return node.freemem > 16e9 && node.freemem / 1e9 > 16 && node.freemem / node.totalmem > 0.1
    && node.cpu < 90 && node.nodeData.health.mem.percent > 5 && node.nodeData.health.mem.free > 0;
}
