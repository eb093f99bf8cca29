function filter(node, request) {
  return !node.metadata.owner || node.metadata.owner === request.user.login;
}
function score(node) {
  return node.metadata.gpu ? 100 - node.sessions : -node.sessions;
}
