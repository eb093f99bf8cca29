#!/usr/bin/env node
// A launcher in JavaScript: places sessions through a running service and prints what came back, as one JSON document.
//
// The twin of place.py: the same questions, the same checks, the same document. CommonJS, because `import` does not
// look into NODE_PATH, where the test has the npm package `nats`.
//
// usage: place.cjs --url nats://127.0.0.1:4222 --namespace whither --count 4

'use strict';

const { randomUUID } = require('node:crypto');
const { parseArgs } = require('node:util');
const { connect, headers } = require('nats');

const TIMEOUT_MS = 5000;

async function main({ url, namespace, count }) {
  const client = await connect({ servers: url, name: 'place.cjs', timeout: TIMEOUT_MS, reconnect: false });

  // The reply's JSON and its error headers, `null` where it carries none.
  async function ask(subject, body) {
    const timed = headers();
    timed.set('Whither-Timeout', String(TIMEOUT_MS));
    const options = { timeout: TIMEOUT_MS, headers: timed };
    let reply;
    try {
      reply = await client.request(subject, body === undefined ? '' : JSON.stringify(body), options);
    } catch (error) {
      throw new Error(`${subject}: ${error.code === '503' ? 'nobody listens there' : error.message}`);
    }
    const code = reply.headers?.get('Nats-Service-Error-Code');
    const text = new TextDecoder().decode(reply.data);
    return {
      reply: text === '' ? null : JSON.parse(text),
      error: code ? { code, error: reply.headers.get('Nats-Service-Error') } : null,
    };
  }

  async function answer(subject, body) {
    const { reply, error } = await ask(subject, body);
    if (error) throw new Error(`${subject} answered ${error.code}: ${error.error}`);
    return reply;
  }

  try {
    const run = randomUUID().slice(0, 8);
    const placed = [];
    for (let number = 0; number < count; number++) {
      const request = {
        id: `js-${run}-${number}`,
        action: 'session/start',
        user: { login: `js-user-${number % 3}` },
        userGroups: ['staff'],
        data: { name: `session ${number}` },
      };
      const first = await answer(`${namespace}.place`, request);
      const again = await answer(`${namespace}.place`, request);
      for (const field of ['node', 'reservation']) {
        if (!first[field] || first[field] !== again[field]) {
          throw new Error(`asked twice with one id, \`${field}\` was ${first[field]}, then ${again[field]}`);
        }
      }
      placed.push(first);
    }
    if (new Set(placed.map((one) => one.reservation)).size !== count) {
      throw new Error('two requests got the same reservation');
    }

    if (placed.length > 0) await answer(`${namespace}.confirm`, { reservation: placed[0].reservation });
    if (placed.length > 1) await answer(`${namespace}.release`, { reservation: placed[1].reservation });

    const explain = await answer(`${namespace}.explain`, { action: 'session/start', user: { login: 'js-user-0' } });
    const nodes = await answer(`${namespace}.nodes`, { limit: 100 });

    const unknown = await ask(`${namespace}.place`, { action: 'no/such-action' });
    if (!unknown.error) throw new Error(`an unknown action was answered with ${JSON.stringify(unknown.reply)}`);

    const service = {};
    for (const kind of ['ping', 'info', 'stats']) {
      const reply = await answer(`$SRV.${kind.toUpperCase()}.whither`);
      const expected = `io.nats.micro.v1.${kind}_response`;
      if (reply.name !== 'whither' || reply.type !== expected) {
        throw new Error(`expected ${expected} of \`whither\`, got ${JSON.stringify(reply)}`);
      }
      service[kind] = reply;
    }

    return {
      placed,
      info: service.info,
      stats: service.stats,
      unknown_action: { ...unknown.error, body: unknown.reply },
      explain,
      nodes,
    };
  } finally {
    await client.close();
  }
}

function options() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      namespace: { type: 'string', default: 'whither' },
      count: { type: 'string', default: '4' },
    },
  });
  const count = Number(values.count);
  if (!values.url || !Number.isInteger(count)) throw new Error('--url and a whole --count are needed');
  return { ...values, count };
}

(async () => {
  const asked = options();
  // Each wait has its own limit; this one is for what they cannot see.
  const limit = setTimeout(() => {
    console.error('place.cjs: no end in sight, giving up');
    process.exit(1);
  }, 30_000 + asked.count * 2000);
  console.log(JSON.stringify(await main(asked)));
  clearTimeout(limit);
})().catch((error) => {
  console.error(`place.cjs: ${error.message}`);
  process.exit(1);
});
