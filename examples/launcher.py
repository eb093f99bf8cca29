#!/usr/bin/env python3
"""A launcher in Python: asks for a node, starts a session there, and says what came of it.

usage: launcher.py nats://127.0.0.1:4222 ann        (pip install nats-py)
"""

import asyncio
import json
import sys
import uuid

import nats

# How long the service may take. A request that comes later than this is not run any more.
PATIENCE_S = 5


async def main(url, login):
    client = await nats.connect(url)
    try:
        print(await launch(client, login))
    finally:
        await client.close()


async def launch(client, login):
    """Starts a session of `login` on the node that the service chooses, and returns that node."""
    # Random, and the same for each attempt: asked again with this id, the request gets the same answer.
    placed = await ask(client, "whither.place", {"id": uuid.uuid4().hex, "user": {"login": login}})
    node, reservation = placed["node"], placed["reservation"]
    try:
        start_session(node, env={"WHITHER_RESERVATION": reservation})
        await ask(client, "whither.confirm", {"reservation": reservation})
    except OSError:
        await ask(client, "whither.release", {"reservation": reservation, "failed": True})
        raise
    return node


async def ask(client, subject, body):
    """The reply to `body`; an error of the service is raised, in the service's words."""
    headers = {"Whither-Timeout": str(PATIENCE_S * 1000)}
    reply = await client.request(subject, json.dumps(body).encode(), timeout=PATIENCE_S, headers=headers)
    answer = json.loads(reply.data)
    if (reply.headers or {}).get("Nats-Service-Error-Code"):
        raise RuntimeError(answer["error"]["message"])
    return answer


def start_session(node, env):
    """Yours: with WHITHER_RESERVATION in the session's environment the agent knows whose place it takes."""


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["nats://127.0.0.1:4222", "ann"])))
