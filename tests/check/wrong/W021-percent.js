function filter(node) { return node.nodeData.health.cpu.utilization < 0.8; }
