function filter(node) {
  node.staticData.gpu;
}
