#!/usr/bin/env python3
import json
import sys

cluster = json.load(sys.stdin)
nodes = cluster["nodes"]
print(min(nodes, key=lambda node: len(node["nodeData"]["sessions"]))["id"])
