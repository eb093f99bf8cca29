// @ts-check
/// <reference path="whither.d.ts" />
//
// Nodes that are reserved for some users go to those users only; a node without a list is for everybody.
//
// Nodes:    `"users": ["ann", "bob"]` in the static data, or METADATA_USERS=ann,bob in the agent's environment.
// Requests: `user.login`.
// Config:   [chain."session/start"]
//           steps = ["scripts/allow-list.js", "builtin:most-memory"]

/** @param {Whither.Node} node @param {Whither.Request} request @returns {Whither.Keep} */
function filter(node, request) {
  const allowed = names(node.staticData.users ?? node.metadata.users);
  return allowed.length === 0 || allowed.includes(request.user.login);
}

// An array, or text with commas, since metadata from the environment is text. An empty list locks nobody out: it is
// what an unset variable looks like.
function names(users) {
  const list = Array.isArray(users) ? users : String(users ?? '').split(',');
  return list.map((name) => String(name).trim()).filter((name) => name !== '');
}
