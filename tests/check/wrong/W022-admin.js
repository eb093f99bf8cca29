function(input) {
  if (input.isAdmin === 'true') return;
  return input.nodes.filter(node => !node.staticData.adminOnly);
}
