async function balance(input) {
  const reply = await fetch('http://licenses.example.com/free');
  const free = await reply.json();
  return input.nodes.filter(node => free[node.hostname]);
}
