function filter(nodes) {
  return nodes.filter(node => node.staticData.gpu);
}
