// @ts-check
/// <reference path="whither.d.ts" />
// expect: TS2551 'sesions'

/** @param {Whither.Node} node @returns {Whither.Points} */
function score(node) {
  return -node.sesions;
}
