function(input) {
  input.servers.sort((a, b) => a.sessions - b.sessions);
}
