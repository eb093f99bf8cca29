function score(node) {
  const w = parseFloat(node.metadata.weight);
  return (isNaN(w) ? 1 : w) * (node.freemem / node.totalmem);
}
