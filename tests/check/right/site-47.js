function(input) {
  let node = null, min = 1e9;
  input.nodes.forEach(n => { const c = n.sessions; if (c < min) [min, node] = [c, n]; });
  return node?.id ?? null;
}
