//! The scripts: each is right, and each does something that a limit, a collector or a guard could take amiss.

/// Components that are built from the repository's own sources.
pub(crate) const COMPONENTS: &[&str] = &["fewest-sessions", "gpu-weight"];

/// File names with sources.
pub(crate) const SCRIPTS: &[(&str, &str)] = &[
    // One node at a time.
    ("pure.js", "function score(n) { return -n.sessions }"),
    (
        "pair.js",
        "function filter(n) { return n.sessions < 100000 }\nfunction score(n) { return n.freemem - n.sessions }",
    ),
    (
        "asked.js",
        "const filter = (n, r) => !n.metadata.users || n.metadata.users.includes(r.user.login)\n\
         const score = n => -n.sessions",
    ),
    (
        "keyed.js",
        "function key(r) { return r.data.pool }\n\
         function filter(n, pool) { return n.staticData.pool === pool }\nfunction score(n) { return -n.sessions }",
    ),
    ("own.js", "function score(n, r) { return n.nodeData.sessions.filter(s => s.user === r.user.login).length }"),
    (
        "listed.js",
        "function score(n) { var users = {}; n.nodeData.sessions.forEach(function (s) { users[s.user] = true });\n\
         return -Object.keys(users).length }",
    ),
    (
        "garbage.js",
        "function score(n) { var t = []; for (var i = 0; i < 200; i++) t.push({ i: i, s: 'x' + i, l: [i] });\n\
         return t.length - n.sessions }",
    ),
    ("text.js", "function score(n) { return -JSON.stringify({ ...n, nodeData: n.nodeData.health }).length }"),
    (
        "helpers.js",
        "const WEIGHT = 2\nfunction load(n) { return n.loadavg[0] || 0 }\n\
         function score(n) { return -(n.sessions + WEIGHT * load(n)) }",
    ),
    ("state.js", "let seen = 0\nfunction score(n) { seen += 1; return seen - n.sessions }"),
    ("chance.js", "function score(n, r) { return Math.random() - n.sessions }"),
    (
        "clock.js",
        "function filter(n, r) { return new Date(r.now).getHours() >= 0 }\nfunction score(n) { return -n.sessions }",
    ),
    // The whole list, as FastX scripts are.
    (
        "each.js",
        "function (input) { var best = null, low = Infinity;\n\
         input.servers.forEach(function (s) { if (s.sessions < low) { low = s.sessions; best = s.serverId } });\n\
         return best }",
    ),
    ("sorted.js", "input => input.servers.slice().sort((a, b) => a.sessions - b.sessions)[0].serverId"),
    (
        "in-place.js",
        "function (input) { input.servers.sort((a, b) => b.freemem - a.freemem); return input.servers[0].serverId }",
    ),
    (
        "reduced.js",
        "input => input.servers.reduce((best, s) => (best === null || s.sessions < best.sessions ? s : best), null).serverId",
    ),
    ("narrowed.js", "input => input.servers.filter(s => s.nodeData.sessions.length < 100000)"),
    (
        "sticky.js",
        "function (input) { var mine = input.user.sessions; if (mine.length) return mine[mine.length - 1].serverId;\n\
         return null }",
    ),
    (
        "copies.js",
        "input => input.nodes.map(n => ({ ...n, rank: n.sessions + n.loadavg[0] })).sort((a, b) => a.rank - b.rank)[0].id",
    ),
    (
        "grouped.js",
        "function (input) { var by = {}; input.servers.forEach(function (s) {\n\
         (by[s.staticData.pool] = by[s.staticData.pool] || []).push(s) });\n\
         var pool = by[input.data.pool] || input.servers; return pool[input.sequence % pool.length].serverId }",
    ),
    ("logged.js", "function (input) { console.log('asked by', input.user.login, input.servers.length); return null }"),
    (
        "thrifty.js",
        "function (input) { const few = input.servers.map(s => ({ id: s.id, sessions: s.sessions, metadata: s.metadata }));\n\
         return JSON.parse(JSON.stringify(few)).sort((a, b) => a.sessions - b.sessions)[0].id }",
    ),
    // Rhai in both shapes.
    ("pure.rhai", "fn score(n) { -n.sessions }"),
    (
        "asked.rhai",
        "fn filter(n, r) { n.metadata.users == () || n.metadata.users.contains(r.user.login) }\nfn score(n) { -n.sessions }",
    ),
    ("listed.rhai", "fn score(n) { -n.nodeData.sessions.filter(|s| s.state == \"pending\").len() }"),
    (
        "each.rhai",
        "fn balance(input) { let best = (); let low = 1000000000;\n\
         for s in input.servers { if s.sessions < low { low = s.sessions; best = s.serverId; } } best }",
    ),
    ("narrowed.rhai", "fn balance(input) { input.servers.filter(|s| s.sessions < 100000) }"),
];
