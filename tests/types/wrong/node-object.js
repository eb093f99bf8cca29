// @ts-check
/// <reference path="whither.d.ts" />
// expect: TS2322 'Verdict'

/** @param {Whither.Input} input @returns {Whither.Verdict} */
function balance(input) {
  return input.nodes.find((node) => node.cpu < 50);
}
