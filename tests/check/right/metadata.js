const truth = value => String(value).toLowerCase() === 'true';
function filter(node) {
  if (truth(node.metadata.maintenance)) return false;
  if (node.metadata.drain === 'true') return false;
  return node.metadata.gpu === 'true' || Number(node.metadata.weight || 1) + 1 > 2 || node.metadata.cores == 4;
}
