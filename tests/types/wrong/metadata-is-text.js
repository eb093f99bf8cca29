// @ts-check
/// <reference path="whither.d.ts" />
// expect: TS2367 'string' and 'boolean'

/** @param {Whither.Node} node @returns {Whither.Keep} */
function filter(node) {
  return node.metadata.gpu === true;
}
