function(input) {
  const best = input.nodes.reduce((a, b) => { if (a.sessions < b.sessions) { return a; } });
  return best.id;
}
