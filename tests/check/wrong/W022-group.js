function(input) {
  if (input.userGroups === 'cad') return input.nodes.filter(node => node.staticData.gpu);
}
