function(input) {
  if (input.action == "user-login") return input.servers.filter(s => s.login);
}
