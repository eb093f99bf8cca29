function(input) {
  let best;
  for (const node of input.nodes) {
    if (!best || node.nodeData.sessions.length < best.nodeData.sessions.length) best = node;
  }
  return best;
}
