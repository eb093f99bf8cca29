function(input) {
  switch (true) {
    case input.isAdmin: return input.nodes.filter(n => n.staticData.admin);
    case input.userGroups.includes('cad'): return input.nodes.filter(n => n.staticData.gpu);
  }
  return input.nodes.filter(n => !n.staticData.gpu && !n.staticData.admin);
}
