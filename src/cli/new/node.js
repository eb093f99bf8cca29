// @ts-check
/// <reference path="whither.d.ts" />
//
// SCRIPT.js: the node with the fewest sessions for each core, among those that are not busy.
//
// Functions of one node. What they say is kept until a field changes that they read, so that a placement costs
// the same among ten nodes and among ten thousand. For each node they see:
//
//   node.id, node.hostname, node.urls
//   node.sessions              how many sessions it has; node.nodeData.sessions lists them
//   node.cpu                   percent in use; node.nodeData.health.cpu has load1, load5, load15 and cores
//   node.freemem               bytes, of node.totalmem
//   node.staticData            what its administrator wrote down for it, with types
//   node.metadata              METADATA_NAME of its environment as node.metadata.NAME, always text
//
// A figure that a node did not report is undefined. What they return:
//
//   filter(node)   anything true keeps the node
//   score(node)    a number: the highest wins; undefined, null and false leave the node out
//
// One of the two is enough: filter alone hands a list to the next step, score chooses the node. An error that they
// throw leaves that node out, and the reason is in --explain.
//
// With a second parameter, filter(node, request), they know who asks: request.user, request.userGroups, request.data,
// request.time. What they say is kept for each value of the fields that they read by name, like
// request.data.pool, unless those are the time or the user's sessions. A score(node, request) looks at every node that
// is left.
//
// The first two lines let an editor complete and check what stands here; `whither types` writes whither.d.ts anew.
//
// Try:     whither place --nodes nodes.json --script SCRIPT.js --explain
// Config:  [chain."session/start"]
//          steps = ["SCRIPT.js"]

const BUSY_PERCENT = 90;

/** @param {Whither.Node} node @returns {Whither.Keep} */
function filter(node) {
  // Comparisons with undefined are false: a node that did not report its processor is not called busy.
  return !(node.cpu > BUSY_PERCENT);
}

/** @param {Whither.Node} node @returns {Whither.Points} */
function score(node) {
  // Not known is not zero: such a node comes last.
  if (node.sessions === undefined) return -Number.MAX_VALUE;
  return -node.sessions / (node.nodeData.health.cpu.cores || 1);
}
