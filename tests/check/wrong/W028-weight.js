function score(node) {
  return -node.sessions / (node.metadata.weight + 1);
}
