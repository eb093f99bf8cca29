(function(input) {
  "use strict";
  const { servers } = input;
  if (!servers || servers.length === 0) { return undefined; }
  let [winner] = servers;
  for (const candidate of servers.slice(1)) {
    const a = candidate.sessions ?? Number.MAX_SAFE_INTEGER, b = winner.sessions ?? Number.MAX_SAFE_INTEGER;
    if (a < b || (a === b && candidate.cpu < winner.cpu)) { winner = candidate; }
  }
  return winner.serverId;
})
