# Keeps a program running for whither: you write one function, this reads the questions and writes the answers.
#
#   from resident import serve
#   serve(lambda nodes, input: min(nodes, key=lambda node: node["sessions"])["id"])
#
# `nodes` are the candidates in order, a tuple: sort a copy, `sorted(nodes, …)`, and copy a node before you change it.
# As long as nothing changes it is the same tuple, so that you may keep what you found in it. Return an id, a list of
# ids or nodes, or nothing. The words of an exception that you raise reach the user; of any but a plain `Exception`, the
# traceback goes to the log, as does what you print. PROTOCOL.md has the wire.

import json
import sys
import traceback


def serve(decide):
    """Answers every question with what `decide(nodes, input)` returns, until standard input ends."""
    known, order, places, shown = {}, None, {}, None
    # What `decide` prints must not stand between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "node" in message:
            node, shown = message["node"], None
            if node["id"] not in known:
                order = None
            elif order is not None:
                order[places[node["id"]]] = node
            known[node["id"]] = node
        elif "gone" in message:
            if known.pop(message["gone"], None) is not None:
                order = shown = None
        elif "request" in message:
            if order is None:
                order = [known[id] for id in sorted(known)]
                places = {node["id"]: place for place, node in enumerate(order)}
            shown = shown or tuple(order)
            print(_answer(decide, known, shown, message), file=answers, flush=True)


def _answer(decide, known, shown, message):
    """One line: what `decide` says, or the words of the exception that it raised."""
    number, overlays = message["request"], message.get("overlays") or {}
    try:
        nodes = tuple(known[id] for id in message["candidates"]) if "candidates" in message else shown
        if overlays:
            nodes = tuple({**node, **overlays[node["id"]]} if node["id"] in overlays else node for node in nodes)
        said = decide(nodes, message["input"])
        if isinstance(said, (list, tuple)):
            # A node as it was told is known by its id; one that was added to travels whole.
            said = [one["id"] if isinstance(one, dict) and known.get(one.get("id")) is one else one for one in said]
        return json.dumps({"request": number, "answer": said}, allow_nan=False)
    except (Exception, SystemExit) as error:
        if type(error) not in (Exception, SystemExit):
            traceback.print_exc()
        return json.dumps({"request": number, "error": str(error) or type(error).__name__})
