// @ts-check
/// <reference path="whither.d.ts" />
//
// Only the nodes that are meant for logins.
//
// Nodes:    `"login": true` in the static data, or METADATA_LOGIN=true in the agent's environment.
// Requests: nothing; before a login nothing but a name is known.
// Config:   [chain."user/login"]
//           steps = ["scripts/login-nodes.js", "builtin:round-robin"]
//
// One parameter: the answer depends on the node alone, so that whither may keep it from one login to the next.

// Metadata is text, whatever was meant: METADATA_LOGIN=false must not count.
const isYes = (value) => /^(true|yes|on|1)$/i.test(String(value));

/** @param {Whither.Node} node @returns {Whither.Keep} */
function filter(node) {
  return isYes(node.staticData.login) || isYes(node.metadata.login);
}
