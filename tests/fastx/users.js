//static data: { "users": ["ann", "bob"] }
function(input) {
  return input.servers.filter(function(server) {
    return server.staticData.users && server.staticData.users.indexOf(input.user.login) >= 0;
  });
}
