// @ts-check
/// <reference path="whither.d.ts" />
//
// The node with the lowest load per core, where a node of weight 2 may carry twice the load of a node of weight 1.
//
// Nodes:    load average, cores and sessions, as every agent reports them; `"weight": 2` in the static data, or
//           METADATA_WEIGHT=2, else 1.
// Requests: nothing.
// Config:   [chain."session/start"]
//           steps = ["scripts/weighted-load.js"]
//
// One parameter: the score depends on the node alone, so that whither may keep it until the node changes.

// What a session that was placed and has not started yet will add to the load, as far as one can tell. Load averages
// lag by a minute: without this, all logins of that minute would go to one node.
const LOAD_OF_A_START = 0.5;

/** @param {Whither.Node} node @returns {Whither.Points} */
function score(node) {
  const load = node.loadavg[0];
  // Nothing known is no praise: such a node comes last, but still before no node at all.
  if (load === undefined) return -Number.MAX_VALUE;

  const starting = node.nodeData.sessions.filter((session) => session.state === 'pending').length;
  const cores = node.nodeData.health.cpu.cores || 1;
  const weight = Number(node.staticData.weight ?? node.metadata.weight);
  return -(load + starting * LOAD_OF_A_START) / cores / (weight > 0 ? weight : 1);
}
