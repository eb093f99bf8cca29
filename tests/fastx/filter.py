#!/usr/bin/env python3
import json
import sys

nodes = json.load(sys.stdin)["nodes"]
print(json.dumps([node for node in nodes if node["nodeData"]["health"]["mem"]["free"] > 4e9]))
