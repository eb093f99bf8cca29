function(input) {
  const sorted = input.nodes.slice().sort((a, b) => a.sessions - b.sessions);
  return sorted[0];
}
