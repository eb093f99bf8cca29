async function balance(input) {
  const [a, b] = await Promise.all([Promise.resolve(input.nodes[0]), Promise.resolve(input.nodes[1])]);
  return a.sessions < b.sessions ? a.id : b.id;
}
