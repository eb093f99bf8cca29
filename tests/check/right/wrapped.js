input => {
  const scored = input.nodes.map(node => ({ node, score: node.cpu * 2 + node.sessions }));
  scored.sort((a, b) => a.score - b.score);
  return scored.length ? scored[0].node.id : undefined;
}
