// @ts-check
/// <reference path="whither.d.ts" />
// expect: TS2339 'length'

/** @param {Whither.Node} node @returns {Whither.Keep} */
const filter = (node) => node.sessions.length < 10;
