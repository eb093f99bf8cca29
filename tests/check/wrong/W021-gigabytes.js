// Nodes with 16 GB free.
const LEAST_GB = 16;
function filter(node) {
  return node.nodeData.health.mem.free >= LEAST_GB;
}
