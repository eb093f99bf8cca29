// @ts-check
/// <reference path="whither.d.ts" />
//
// One pool of nodes during office hours, another one at night and on weekends.
//
// Nodes:    `"pool": "day"` or `"pool": "night"` in the static data, or METADATA_POOL=night in the agent's environment.
//           A node that names no pool serves around the clock.
// Requests: the time, in the zone that the config names.
// Config:   [service]
//           timezone = "Europe/Berlin"
//           [chain."session/start"]
//           steps = ["scripts/office-hours.js", "builtin:fewest-sessions"]
//
// `key` says what `filter` depends on beside the node. There are two keys, so that whither may keep two answers for each
// node instead of asking at every request.

const OPENS = 8;
const CLOSES = 18;

/** @param {Whither.Request} request */
function key(request) {
  const { hour, weekday } = request.time; // 0 is Sunday
  const workday = weekday >= 1 && weekday <= 5;
  return workday && hour >= OPENS && hour < CLOSES ? 'day' : 'night';
}

/** @param {Whither.Node} node @param {ReturnType<typeof key>} pool @returns {Whither.Keep} */
function filter(node, pool) {
  const own = node.staticData.pool || node.metadata.pool;
  return !own || own === pool;
}
