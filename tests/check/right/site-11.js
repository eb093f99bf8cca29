function(input) {
  var list = [];
  for (const server of input.servers) { if (server.login === true) list.push(server.serverId); }
  if (list.length) { list.reverse(); return list; }
  return false;
}
