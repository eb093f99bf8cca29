function(input) {
  if (typeof rr === "undefined") rr = 0;
  rr = rr + 1;
  return input.servers[rr % input.servers.length].serverId;
}
