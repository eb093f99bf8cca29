function score(node) { return node.health.mem.free; }
