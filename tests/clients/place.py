#!/usr/bin/env python3
"""A launcher in Python: places sessions through a running service and prints what came back, as one JSON document.

It checks what a client may rely on, and the test that runs it checks the document. It uses nothing but nats-py, as a
launcher would: what is awkward here is awkward for users. Needs nats-py on PYTHONPATH.

usage: place.py --url nats://127.0.0.1:4222 --namespace whither --count 4
"""

import argparse
import asyncio
import json
import sys
import uuid

import nats
import nats.errors

TIMEOUT_S = 5


class Failed(Exception):
    """The service did not keep a promise."""


async def main(url, namespace, count):
    client = await connect(url)

    async def ask(subject, body=None):
        """The reply's JSON and its error headers, `None` where it carries none."""
        headers = {"Whither-Timeout": str(TIMEOUT_S * 1000)}
        payload = b"" if body is None else json.dumps(body).encode()
        try:
            reply = await client.request(subject, payload, timeout=TIMEOUT_S, headers=headers)
        except nats.errors.NoRespondersError:
            raise Failed(f"nobody listens on {subject}") from None
        except nats.errors.TimeoutError:
            raise Failed(f"no answer on {subject} within {TIMEOUT_S} s") from None
        headers = reply.headers or {}
        code = headers.get("Nats-Service-Error-Code")
        error = None if code is None else {"code": code, "error": headers.get("Nats-Service-Error")}
        return json.loads(reply.data or b"null"), error

    async def answer(subject, body=None):
        reply, error = await ask(subject, body)
        if error is not None:
            raise Failed(f"{subject} answered {error['code']}: {error['error']}")
        return reply

    try:
        run = uuid.uuid4().hex[:8]
        placed = []
        for number in range(count):
            request = {
                "id": f"py-{run}-{number}",
                "action": "session/start",
                "user": {"login": f"py-user-{number % 3}"},
                "userGroups": ["staff"],
                "data": {"name": f"session {number}"},
            }
            first = await answer(f"{namespace}.place", request)
            again = await answer(f"{namespace}.place", request)
            for field in ("node", "reservation"):
                before, after = first.get(field), again.get(field)
                if not before or before != after:
                    raise Failed(f"asked twice with one id, `{field}` was {before!r}, then {after!r}")
            placed.append(first)
        if len({one["reservation"] for one in placed}) != count:
            raise Failed("two requests got the same reservation")

        if placed:
            await answer(f"{namespace}.confirm", {"reservation": placed[0]["reservation"]})
        if placed[1:]:
            await answer(f"{namespace}.release", {"reservation": placed[1]["reservation"]})

        explain = await answer(f"{namespace}.explain", {"action": "session/start", "user": {"login": "py-user-0"}})
        nodes = await answer(f"{namespace}.nodes", {"limit": 100})

        unknown, error = await ask(f"{namespace}.place", {"action": "no/such-action"})
        if error is None:
            raise Failed(f"an unknown action was answered with {unknown}")

        ping = await answer("$SRV.PING.whither")
        info = await answer("$SRV.INFO.whither")
        stats = await answer("$SRV.STATS.whither")
        for kind, reply in (("ping", ping), ("info", info), ("stats", stats)):
            expected = f"io.nats.micro.v1.{kind}_response"
            if reply.get("name") != "whither" or reply.get("type") != expected:
                raise Failed(f"expected {expected} of `whither`, got {reply}")
    finally:
        await client.close()

    return {
        "placed": placed,
        "info": info,
        "stats": stats,
        "unknown_action": {**error, "body": unknown},
        "explain": explain,
        "nodes": nodes,
    }


async def connect(url):
    """A connection, or the reason why there is none; nats-py by itself tries for minutes and logs each attempt."""
    troubles = []

    async def on_error(error):
        troubles.append(str(error))

    options = {"connect_timeout": TIMEOUT_S, "max_reconnect_attempts": 1, "reconnect_time_wait": 0.1}
    try:
        return await nats.connect(url, name="place.py", error_cb=on_error, **options)
    except (OSError, asyncio.TimeoutError, nats.errors.Error) as error:
        raise Failed(f"no connection to {url}: {' '.join(troubles[-1:]) or error}") from None


def arguments():
    parser = argparse.ArgumentParser(description="Places sessions through a running service.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--namespace", default="whither")
    parser.add_argument("--count", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    try:
        # Each wait has its own limit; this one is for what they cannot see.
        limit_s = 30 + options.count * 2
        document = asyncio.run(asyncio.wait_for(main(options.url, options.namespace, options.count), limit_s))
    except (Failed, OSError, asyncio.TimeoutError, nats.errors.Error, json.JSONDecodeError) as error:
        sys.exit(f"place.py: {str(error) or type(error).__name__}")
    print(json.dumps(document))
