#!/usr/bin/env node
// The node with the fewest sessions, by a program that stays running. A node whose sessions are not known comes last.
//
// Nodes:    `sessions`, a count, which is absent where the node did not report it.
// Config:   [chain."session/start"]
//           steps = [{ script = "scripts/resident-fewest.js", mode = "resident" }]
//
// `builtin:fewest-sessions` does the same without a program; this is an example of the wire in PROTOCOL.md.

const { serve } = require('./resident.js');

function fewest(nodes, input) {
  const sessions = (node) => node.sessions ?? Infinity;
  return nodes.reduce((best, node) => (best && sessions(best) <= sessions(node) ? best : node), undefined)?.id;
}

serve(fewest);
