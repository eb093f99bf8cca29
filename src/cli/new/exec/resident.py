#!/usr/bin/env python3
# SCRIPT.py: where the user works already, else the node with the fewest sessions.
#
# A program that stays running: whither starts it once, tells it what changes, and asks it for each request. The upper
# part does the reading and answering; yours is the function at the end. It is given, for each request:
#
#   nodes                      the candidates, in order: sort a copy, and copy a node before you change it
#   input["action"]            what is asked for: "session/start", "user/login" or another name
#   input["user"]              who asks: login, and sessions, which are this user's on all nodes
#   input["userGroups"]        the user's groups; isManager and isAdmin are true or false
#   input["data"]              what the launcher says of the session that it will start
#   input["params"]            the same as FastX 4 has it: me, start, jwt
#   input["time"]              hour, minute and weekday (0 is Sunday) in the config's time zone; input["now"] in ms
#
# and for each node:
#
#   id, hostname, urls
#   sessions                   how many sessions it has; nodeData.sessions lists them, each with its user
#   cpu                        percent in use; nodeData.health.cpu has load1, load5, load15 and cores
#   freemem                    bytes, of totalmem
#   staticData                 what its administrator wrote down for it, with types
#   metadata                   METADATA_NAME of its environment as metadata.NAME, always text
#
# A figure that a node did not report is absent. What the function returns is its verdict:
#
#   a node's id                this node, and no later step is asked
#   a list of ids or nodes     the candidates of the next step, in this order
#   None                       no opinion: the next step sees what this one saw
#   raise Exception("…")       no placement: the words reach the user
#
# Try:     printf '%s\n' '{"node": {"id": "a", "sessions": 3, "nodeData": {"sessions": []}}}' \
#              '{"request": 1, "input": {"user": {"login": "ann"}}}' | ./SCRIPT.py
# Config:  [chain."session/start"]
#          steps = [{ script = "SCRIPT.py", mode = "resident", on_limit = "skip" }, "builtin:fewest-sessions"]

HELPER

# From here on it is yours.


def choose(nodes, input):
    login = input["user"].get("login")
    home = [node for node in nodes if any(session.get("user") == login for session in node["nodeData"]["sessions"])]
    # Not known is not zero: such a node comes last.
    best = min(home if login and home else nodes, key=lambda node: node.get("sessions", float("inf")), default=None)
    return best and best["id"]


serve(choose)
