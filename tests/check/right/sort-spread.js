function(input) {
  const [first] = [...input.nodes].sort((a, b) => a.sessions - b.sessions || a.id.localeCompare(b.id));
  return first && first.id;
}
