// Keeps a program running for whither: you write one function, this reads the questions and writes the answers.
//
//   const { serve } = require('./resident.js');
//   serve((nodes, input) => nodes.find((node) => node.metadata.gpu)?.id);
//
// `nodes` are the candidates in order, frozen: sort a copy, `[...nodes].sort(…)`, and copy a node before you change it.
// As long as nothing changes it is the same list, so that you may keep what you found in it. Return an id, a list of
// ids or nodes, or nothing; or a promise of these. The words of an error that you throw reach the user; of any but a
// plain `Error`, the stack goes to the log, as does console.log. PROTOCOL.md has the wire.

/** Answers every question with what `decide(nodes, input)` returns, one after the other, until standard input ends. */
async function serve(decide) {
  const known = new Map();
  let order, places, shown;
  // What `decide` prints must not stand between the answers.
  console.log = console.info = console.debug = console.error;
  // As the service sorts: by bytes of UTF-8, where JavaScript's own comparison goes by UTF-16.
  const byId = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  let rest = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    // Not `readline`, for which a line may end within a string of JSON, at U+2028.
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const message of lines.map((line) => JSON.parse(line))) {
      if (message.node) {
        const { node } = message;
        shown = undefined;
        if (!known.has(node.id)) order = undefined;
        else if (order) order[places.get(node.id)] = node;
        known.set(node.id, node);
      } else if ('gone' in message) {
        if (known.delete(message.gone)) order = shown = undefined;
      } else if ('request' in message) {
        if (!order) {
          order = [...known.keys()].sort(byId).map((id) => known.get(id));
          places = new Map(order.map((node, place) => [node.id, place]));
        }
        shown ??= Object.freeze(order.slice());
        process.stdout.write((await answer(decide, known, shown, message)) + '\n');
      }
    }
  }
  process.exit(); // also where `decide` left a connection open, which would keep us alive
}

/** One line: what `decide` says, or the words of the error that it threw. */
async function answer(decide, known, shown, { request, input, candidates, overlays }) {
  try {
    let nodes = candidates ? candidates.map((id) => known.get(id)) : shown;
    if (overlays) nodes = nodes.map((node) => (overlays[node.id] ? { ...node, ...overlays[node.id] } : node));
    let said = await decide(nodes === shown ? shown : Object.freeze(nodes), input);
    // A node as it was told is known by its id; one that was added to travels whole.
    if (Array.isArray(said)) said = said.map((one) => (one && known.get(one.id) === one ? one.id : one));
    return JSON.stringify({ request, answer: said });
  } catch (error) {
    if (error?.constructor !== Error) console.error(error);
    return JSON.stringify({ request, error: String(error?.message || error) });
  }
}

module.exports = { serve };
