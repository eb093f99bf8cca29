// The corpus in V8 over objects in memory: the median of many calls in microseconds, a line for each script and size.
// A reservation changes one node between any two calls.
import { readFileSync } from 'node:fs';

const { corpus, sizes, request, nodes } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const CALLS = 400;
// Lines are kept and not written: to write them would cost more than the script.
const kept = [];
const keep = (...words) => (kept.length = Math.min(kept.push(words.join(' ')), 100));
const quiet = { log: keep, info: keep, warn: keep, error: keep };

for (const script of corpus.split('//// ').slice(1)) {
  const [name, ...lines] = script.split('\n');
  const text = lines.join('\n');
  if (text.includes('function filter(')) continue;
  for (const size of sizes) {
    const cluster = nodes.slice(0, size).map((node) => structuredClone(shown(node)));
    const balance = compiled(text);
    const times = [];
    for (let call = 0; call < CALLS; call++) {
      const node = cluster[(call * 37) % size];
      node.sessions++;
      node.nodeData.sessions.push({ id: `r${call}`, user: 'eve', serverId: node.id, state: 'pending' });
      const user = { ...request.user, sessions: [] };
      const list = cluster.slice();
      const time = { ms: 1795195800000, hour: 17, minute: 30, weekday: 6, offset_min: 0 };
      const input = { ...request, user, isAdmin: false, nodes: list, servers: list, now: time.ms, time, sequence: call };
      const start = process.hrtime.bigint();
      try {
        balance(input);
      } catch {
        // A script that throws has an answer too.
      }
      times.push(Number(process.hrtime.bigint() - start) / 1000);
    }
    times.splice(0, CALLS / 2);
    times.sort((a, b) => a - b);
    console.log([name, size, times[times.length >> 1]].join('\t'));
  }
}

function compiled(text) {
  const named = text.replace(/^function ?\(input\)/m, 'balance = function(input)');
  return new Function('console', `var balance; ${named}\nreturn balance;`)(quiet);
}

// The node as the service shows it to scripts.
function shown(node) {
  const { cpu, mem } = node.nodeData.health;
  const sessions = node.nodeData.sessions.map((session) => ({ ...session, serverId: node.id }));
  return {
    ...node,
    serverId: node.id,
    nodeData: { ...node.nodeData, sessions },
    sessions: sessions.length,
    cpu: cpu.utilization,
    freemem: mem.free,
    totalmem: mem.total,
    loadavg: [cpu.load1, cpu.load5, cpu.load15],
    cordoned: false,
    gpu: node.staticData.gpu,
    size: node.staticData.size,
    users: node.staticData.users,
  };
}
