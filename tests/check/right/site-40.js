function(input) {
  const n = input.nodes.length;
  let best = -1;
  for (let i = 0; i < n; ++i) if (best < 0 || input.nodes[i].cpu < input.nodes[best].cpu) best = i;
  return best >= 0 ? input.nodes[best].id : null;
}
