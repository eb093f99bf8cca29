function count(server) {
  return Array.isArray(server.sessions) ? server.sessions.length : server.sessions;
}
function balance(input) {
  return input.servers.slice().sort((a, b) => count(a) - count(b))[0].serverId;
}
