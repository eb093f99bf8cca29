const state = { next: 0 };
function balance(input) {
  state.next = (state.next + 1) % input.nodes.length;
  return input.nodes[state.next].id;
}
