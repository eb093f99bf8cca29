function score(node) { return Math.random() - node.sessions; }
