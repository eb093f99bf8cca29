class Chooser {
  constructor(nodes) { this.nodes = nodes; this.calls = 0; }
  best() { this.calls++; return this.nodes.reduce((a, b) => a.sessions < b.sessions ? a : b); }
}
function balance(input) { if (!input.nodes.length) return; return new Chooser(input.nodes).best().id; }
