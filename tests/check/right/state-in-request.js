let best = null;
const seen = new Set();
function balance(input) {
  for (const node of input.nodes) {
    seen.add(node.serverPool);
    if (best === null || node.sessions < best.sessions) best = node;
  }
  return best.id;
}
