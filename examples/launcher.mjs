#!/usr/bin/env node
// A launcher in JavaScript: asks for a node, starts a session there, and says what came of it.
//
// usage: launcher.mjs nats://127.0.0.1:4222 ann        (npm install nats)

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

// In a package of your own: import { connect, headers } from 'nats';
const { connect, headers } = createRequire(import.meta.url)('nats');

// How long the service may take. A request that comes later than this is not run any more.
const PATIENCE_MS = 5000;

// Starts a session of `login` on the node that the service chooses, and returns that node.
async function launch(client, login) {
  // Random, and the same for each attempt: asked again with this id, the request gets the same answer.
  const { node, reservation } = await ask(client, 'whither.place', { id: randomUUID(), user: { login } });
  try {
    await startSession(node, { WHITHER_RESERVATION: reservation });
  } catch (error) {
    await ask(client, 'whither.release', { reservation, failed: true });
    throw error;
  }
  await ask(client, 'whither.confirm', { reservation });
  return node;
}

// The reply to `body`; an error of the service is thrown, in the service's words.
async function ask(client, subject, body) {
  const patience = headers();
  patience.set('Whither-Timeout', String(PATIENCE_MS));
  const reply = await client.request(subject, JSON.stringify(body), { timeout: PATIENCE_MS, headers: patience });
  const answer = JSON.parse(new TextDecoder().decode(reply.data));
  if (reply.headers?.get('Nats-Service-Error-Code')) throw new Error(answer.error.message);
  return answer;
}

// Yours: with WHITHER_RESERVATION in the session's environment the agent knows whose place it takes.
async function startSession(node, env) {}

const [url = 'nats://127.0.0.1:4222', login = 'ann'] = process.argv.slice(2);
const client = await connect({ servers: url });
try {
  console.log(await launch(client, login));
} finally {
  await client.close();
}
