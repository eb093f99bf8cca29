#!/usr/bin/env python3
import json
import sys

cluster = json.load(sys.stdin)
wanted = cluster["params"]["start"].get("group")
for node in cluster["nodes"]:
    if node["metadata"].get("group") == wanted:
        print(node["id"])
        break
else:
    sys.exit("no node of group " + str(wanted))
