function(input) {
  const best = input.nodes.reduce((a, b) => (a.sessions <= b.sessions ? a : b));
  return bset.id;
}
