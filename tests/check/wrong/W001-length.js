function(input) {
  if (input.servers.lenght === 0) throw new Error("none");
  return input.servers[0].serverId;
}
