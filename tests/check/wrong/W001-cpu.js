function filter(node) { return node.cpu.load1 < 4; }
