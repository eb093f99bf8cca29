function(input) { const { sessions } = input.user; return sessions.length ? sessions.at(-1).serverId : input.nodes.filter(n => n.sessions === 0); }
