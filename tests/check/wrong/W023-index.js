function(input) {
  if (input.userGroups.indexOf('cad')) return input.servers.filter(s => s.gpu);
}
