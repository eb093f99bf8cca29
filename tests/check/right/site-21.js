var cache = {};
function lookup(id, servers) { if (!cache[id]) cache[id] = servers.filter(s => s.serverId === id)[0]; return cache[id]; }
function balance(input) { var s = lookup(input.local.serverId, input.servers); return s && s.sessions < 10 ? s.serverId : undefined; }
