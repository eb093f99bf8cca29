// What a site would write instead of whither: a NATS service in Node.js, the nodes as objects in memory, one loop a request,
// a reservation for each answer. It makes the same choice over the same nodes, and is asked and told the same: `place`,
// `confirm`, `release`. Fair to it: no node ever reports to it, and nothing is checked, bounded, isolated or logged.
//
//   node peer.cjs URL PREFIX FILE      FILE has a node's document on each line; the npm package `nats` must be found
const { readFileSync } = require("fs");
const { connect, JSONCodec } = require("nats");
const json = JSONCodec();

const [url, prefix, file] = process.argv.slice(2);
const nodes = readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => {
  const node = JSON.parse(line);
  return { ...node, sessions: node.nodeData.sessions.length };
});
const filter = (node, request) => !node.metadata.users || node.metadata.users.includes(request.user.login);
const score = (node) => -node.sessions;

const held = new Map();

async function release(client) {
  for await (const message of client.subscribe(`${prefix}.release`, { queue: "q" })) {
    const { reservation } = json.decode(message.data);
    const node = held.get(reservation);
    if (node) {
      held.delete(reservation);
      node.sessions -= 1;
      const { sessions } = node.nodeData;
      sessions.splice(sessions.findIndex((session) => session.reservation === reservation), 1);
    }
    message.respond(json.encode({ reservation, state: node ? "released" : "gone" }));
  }
}

async function confirm(client) {
  for await (const message of client.subscribe(`${prefix}.confirm`, { queue: "q" })) {
    const { reservation } = json.decode(message.data);
    const node = held.get(reservation);
    message.respond(json.encode({ reservation, state: node ? "confirmed" : "gone", node: node && node.id }));
  }
}

async function place(client) {
  let number = 0;
  for await (const message of client.subscribe(`${prefix}.place`, { queue: "q" })) {
    const request = json.decode(message.data);
    let best = null, highest = -Infinity;
    for (const node of nodes) {
      if (!filter(node, request)) continue;
      const value = score(node);
      if (value > highest) [highest, best] = [value, node];
    }
    number += 1;
    const reservation = `r${number}`;
    best.sessions += 1;
    best.nodeData.sessions.push({ id: `p${number}`, reservation, state: "pending", user: request.user.login });
    held.set(reservation, best);
    message.respond(json.encode({
      node: best.id, hostname: best.hostname, urls: best.urls, decision: `x-${number}`, generation: number,
      decided_by: "peer", chain: request.action, reservation, expires_in_ms: 120000,
    }));
  }
}

(async () => {
  const client = await connect({ servers: url });
  place(client);
  confirm(client);
  release(client);
  await client.flush();
  console.error("ready");
})();
