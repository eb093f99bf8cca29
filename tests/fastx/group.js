//static data: { "group": "cad" }
function(input) {
  for (i in input.servers) {
    server = input.servers[i];
    if (input.userGroups.indexOf(server.group) > -1) return server.serverId;
  }
}
