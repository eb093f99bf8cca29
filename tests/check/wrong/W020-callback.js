function(input) {
  return input.nodes.filter(async node => node.sessions < 5);
}
