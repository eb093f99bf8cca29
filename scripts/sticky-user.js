// @ts-check
/// <reference path="whither.d.ts" />
//
// The node where the user already works, unless that node is busy; for everybody else the next step decides.
//
// Nodes:    sessions with their users, and the processor's utilization where the agent reports it.
// Requests: `user.login`, from which `user.sessions` is known: this user's sessions on all nodes.
// Config:   [chain."session/start"]
//           steps = ["scripts/sticky-user.js", "builtin:fewest-sessions"]
//
// `builtin:sticky-user` does the same without the limit on busy nodes. An arrow function of the whole list: the id that
// it returns ends the chain, `undefined` passes.

/** @param {Whither.Input} input @returns {Whither.Verdict} */
(input) => {
  const BUSY_PERCENT = 90;

  const counts = new Map();
  for (const session of input.user.sessions) {
    counts.set(session.serverId, (counts.get(session.serverId) ?? 0) + 1);
  }

  let best;
  for (const node of input.nodes) {
    // An absent figure is no reason to send somebody away from their own files and windows.
    if (!counts.has(node.id) || node.cpu > BUSY_PERCENT) continue;
    if (best === undefined || counts.get(node.id) > counts.get(best)) best = node.id;
  }
  return best;
};
