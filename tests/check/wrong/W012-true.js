function(input) {
  if (input.isAdmin) return true;
  return input.nodes.filter(node => !node.staticData.adminOnly);
}
