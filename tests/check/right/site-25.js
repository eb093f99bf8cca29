function filter(node) { return node.nodeData.health.cpu.load1 / node.nodeData.health.cpu.cores < 0.8 && node.cpu < 90; }
function score(node) { const { free, total } = node.nodeData.health.mem; return total ? free / total : undefined; }
