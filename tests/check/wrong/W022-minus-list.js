function score(node) { return -node.nodeData.sessions; }
