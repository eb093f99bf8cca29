#!/usr/bin/env python3
# The node with the fewest sessions, by a program that stays running. A node whose sessions are not known comes last.
#
# Nodes:    `sessions`, a count, which is absent where the node did not report it.
# Config:   [chain."session/start"]
#           steps = [{ script = "scripts/resident-fewest.py", mode = "resident" }]
#
# `builtin:fewest-sessions` does the same without a program; this is an example of the wire in PROTOCOL.md.

from resident import serve


def fewest(nodes, input):
    if nodes:
        return min(nodes, key=lambda node: node.get("sessions", float("inf")))["id"]


serve(fewest)
