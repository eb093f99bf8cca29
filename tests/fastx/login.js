//static data: { "login": true }
function(input) {
  if (input.action != "user/login") return false;
  return input.servers.filter(s => s.login);
}
