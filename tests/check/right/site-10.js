function(input) {
  const login = input.user.login;
  const hash = [...login].reduce((h, c) => (h * 31 + c.charCodeAt(0)) >>> 0, 7);
  return input.nodes[hash % input.nodes.length].id;
}
