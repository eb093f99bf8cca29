// expect: TS2367 'string' and 'boolean'
function filter(node) { return node.metadata.gpu === true }
