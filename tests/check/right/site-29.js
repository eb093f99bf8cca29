function pick(list) { return list.length > 0 ? list[Math.floor(Math.random() * list.length)].id : undefined; }
function balance(input) { return pick(input.nodes.filter(n => n.sessions < n.maxSessions)) || pick(input.nodes); }
