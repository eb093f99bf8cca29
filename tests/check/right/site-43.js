function score(node, request) {
  const mine = node.nodeData.sessions.filter(s => s.user === request.user.login).length;
  return mine * 1000 - node.nodeData.sessions.length - (node.nodeData.health.cpu.load5 || 0);
}
