function(input) {
  const s = input.servers.find(x => x.urls.some(u => new URL(u).hostname === input.data.host));
  if (s) return s.serverId; else return;
}
