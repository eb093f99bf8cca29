function(input) {
  const max = Math.max(...input.nodes.map(n => n.freemem || 0));
  return input.nodes.find(n => n.freemem === max)?.id ?? input.nodes[0]?.id;
}
