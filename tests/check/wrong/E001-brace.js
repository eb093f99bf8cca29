function(input) {
  if (input.isAdmin) {
    return input.servers[0].serverId;
}
