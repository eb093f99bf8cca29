function(input) {
  if (input.user === "ann") return input.servers[0].serverId;
}
