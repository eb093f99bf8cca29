// expect: TS2339 'length'
function filter(node) { return node.sessions.length < 10 }
