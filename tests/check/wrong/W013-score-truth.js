function score(node) {
  return node.sessions < 10;
}
