function filter(node, request) { const groups = request.userGroups; const allowed = node.staticData.groups; return !allowed || groups.some(function (g) { return allowed.includes(g); }); }
function score(node) { if (node.staticData.spare) return 0.1; return 1 / (1 + node.sessions); }
