function key(request) { return request.userGroups.filter(g => g.startsWith('lab-')).sort().join(','); }
function filter(node, labs) { const own = (node.metadata.lab || '').split(','); return labs.split(',').some(l => own.includes(l)); }
function score(node) { return -node.nodeData.sessions.length; }
