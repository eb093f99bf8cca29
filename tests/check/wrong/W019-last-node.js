let lastNode = null;
function balance(input) {
  const choice = input.nodes.find(n => n.id !== lastNode) || input.nodes[0];
  lastNode = choice.id;
  return choice.id;
}
