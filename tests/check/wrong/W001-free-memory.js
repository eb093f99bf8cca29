function score(node) {
  return node.freeMem;
}
