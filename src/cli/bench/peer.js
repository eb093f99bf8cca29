// The same script under Node.js, for `whither bench --peer node`: reads a task, measures, prints one line of JSON.
//
// Twice: over node objects that stay resident, as a service written in JavaScript would hold them, and with JSON.parse of
// the whole document for each request, as a program that is started for each request reads it. Functions of one node are
// a plain scan, the first best score wins. Nothing is checked, bounded or isolated: that is what the ratio shows.
'use strict';

const fs = require('fs');
const vm = require('vm');

const MOST_SAMPLES = 2_000_000;
const NODES_FIRST = '{"nodes":';

const task = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

/** The functions of `source`, whichever way they are written. */
function functions(source) {
  // Any of these may be what an anonymous function stands for, so the first that is a program is meant.
  const own = source.replace(/^#!/, '//');
  let whole;
  try {
    whole = vm.runInThisContext(own);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    whole = vm.runInThisContext(`var whole$ =\n${own}\n;whole$`);
  }
  const named = (name) => vm.runInThisContext(`typeof ${name} === 'function' ? ${name} : undefined`);
  const lone = /(?:function\s+|(?:const|let|var)\s+)([\w$]+)\s*(?:=\s*)?(?:function\s*)?\(\s*input\b/.exec(own);
  if (typeof whole !== 'function') whole = named('balance') ?? (lone && named(lone[1]));
  return { whole, filter: named('filter'), score: named('score'), key: named('key') };
}

const { whole, filter, score, key } = functions(task.source);

const sessions = (node) => node.sessions ?? Infinity;
const fewest = (nodes) => nodes.reduce((best, node) => (best && sessions(best) <= sessions(node) ? best : node), undefined);

/** What the script says of `nodes`: a node's id, or the nodes that are left. */
function asked(nodes, request) {
  if (task.shape === 'list') {
    // A copy: what one request sorts, the next must not find sorted.
    const list = nodes.slice();
    const said = whole({ ...request, nodes: list, servers: list });
    if (!Array.isArray(said)) return said || nodes;
    const byId = (id) => nodes.find((node) => node.id === id);
    return said.map((one) => (typeof one === 'string' ? byId(one) : one));
  }
  const second = key ? key(request) : request;
  const rest = filter ? nodes.filter((node) => filter(node, second)) : nodes;
  if (!score) return rest;
  let best, most;
  for (const node of rest) {
    const value = score(node, second);
    if (typeof value === 'number' && (best === undefined || value > most)) [best, most] = [node, value];
  }
  return best ? best.id : [];
}

/** The id of the node that the chain chooses. */
function decide(nodes, request) {
  const said = asked(nodes, request);
  const id = Array.isArray(said) && task.then_fewest ? fewest(said)?.id : said;
  if (typeof id !== 'string') throw new Error('no node');
  return id;
}

/** Runs `decide` on what `prepare(turn)` gives, for `ms`, and says how long each took. */
function run(prepare, decide, ms, samples) {
  let count = 0;
  let failed = 0;
  let sum = 0;
  const end = performance.now() + ms;
  while (count === 0 || (performance.now() < end && count < MOST_SAMPLES)) {
    const prepared = prepare(count);
    const start = performance.now();
    try {
      decide(prepared);
    } catch {
      failed += 1;
    }
    const took = performance.now() - start;
    samples[count] = took;
    sum += took;
    count += 1;
  }
  const sorted = samples.subarray(0, count).sort();
  const at = (quantile) => Math.max(1, Math.round(sorted[Math.min(count - 1, Math.floor(count * quantile))] * 1e6));
  return { decisions: count, failed, p50_ns: at(0.5), p99_ns: at(0.99), busy_ns: Math.max(1, Math.round(sum * 1e6)) };
}

/** What the first request comes to. */
function first(prepare, decide) {
  try {
    return { node: decide(prepare(0)) };
  } catch (error) {
    return { error: String(error?.message ?? error) };
  }
}

const samples = new Float64Array(MOST_SAMPLES);
const { nodes, inputs } = task;
const before = process.memoryUsage().rss;
const nodesText = JSON.stringify(nodes);
const ways = [
  ['resident', (turn) => inputs[turn % inputs.length], (input) => decide(nodes, input)],
  [
    'parse',
    (turn) => {
      const text = `${NODES_FIRST}${nodesText},${JSON.stringify(inputs[turn % inputs.length]).slice(1)}`;
      text.charCodeAt(0); // Makes one string of the pieces, which is no part of parsing.
      return text;
    },
    (text) => {
      const document = JSON.parse(text);
      return decide(document.nodes, document);
    },
  ],
];
const rows = ways.map(([way, prepare, decide]) => {
  const came = first(prepare, decide);
  run(prepare, decide, task.warm_up_ms, samples);
  return { way, ...run(prepare, decide, task.ms, samples), first: came };
});
const memory_bytes = Math.max(0, process.memoryUsage().rss - before);
process.stdout.write(`${JSON.stringify({ version: process.version, memory_bytes, rows })}\n`);
