// @ts-check
/// <reference path="whither.d.ts" />
// expect: TS1064 async

/** @param {Whither.Node} node @returns {Whither.Keep} */
async function filter(node) {
  return node.freemem > 8e9;
}
