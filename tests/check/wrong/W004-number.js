function filter(node) { return node.metadata.cores === 8; }
