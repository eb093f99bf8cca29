function balance(input) {
  const previous = input.nodes.find(node => node.nodeData.sessions.find(session => session.user === input.user.login));
  if (previous) { return previous.id; }
  const idle = input.nodes.filter(node => node.nodeData.sessions.length === 0);
  return (idle.length ? idle : input.nodes).map(node => node.id);
}
