// @ts-check
/// <reference path="whither.d.ts" />
//
// SCRIPT.js: the node with the fewest sessions, among those that are not busy.
//
// A function of the whole list, as FastX has it without a name. It is asked once for each request, with one object:
//
//   input.nodes         the candidates, in order (FastX 3 calls them input.servers)
//   input.action        what is asked for: 'session/start', 'user/login' or another name
//   input.user          who asks: login, and sessions, which are this user's on all nodes
//   input.userGroups    the user's groups; input.isManager and input.isAdmin are true or false
//   input.claims        what the user's verified token says, where the config has [tokens]
//   input.data          what the launcher says of the session that it will start
//   input.time          hour, minute and weekday (0 is Sunday) in the time zone of the config
//
// and for each node:
//
//   node.id, node.hostname, node.urls
//   node.sessions              how many sessions it has; node.nodeData.sessions lists them
//   node.cpu                   percent in use; node.nodeData.health.cpu has load1, load5, load15 and cores
//   node.freemem               bytes, of node.totalmem
//   node.staticData            what its administrator wrote down for it, with types
//   node.metadata              METADATA_NAME of its environment as node.metadata.NAME, always text
//
// A figure that a node did not report is undefined. What the function returns is its verdict:
//
//   a node's id          this node, and no later step is asked
//   a list of nodes      the candidates of the next step, in this order
//   undefined, null      no opinion: the next step sees what this one saw
//   throw new Error(…)   no placement: the words reach the user
//
// The first two lines let an editor complete and check what stands here; `whither types` writes whither.d.ts anew.
//
// Try:     whither place --nodes nodes.json --script SCRIPT.js --explain
// Config:  [chain."session/start"]
//          steps = ["SCRIPT.js"]

/**
 * @param {Whither.Input} input
 * @returns {Whither.Verdict}
 */
function balance(input) {
  const BUSY_PERCENT = 90;

  // Not known is not zero: such a node comes last.
  /** @param {Whither.Node} node */
  function sessionsOf(node) {
    return node.sessions === undefined ? Infinity : node.sessions;
  }

  let best;
  for (const node of input.nodes) {
    // Comparisons with undefined are false: a node that did not report its processor is not called busy.
    if (node.cpu > BUSY_PERCENT) continue;
    if (best === undefined || sessionsOf(node) < sessionsOf(best)) best = node;
  }

  if (best === undefined && input.nodes.length > 0) {
    throw new Error('All nodes are busy, please try again later');
  }
  return best && best.id;
}
