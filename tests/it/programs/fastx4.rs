//! Six balancer scripts as FastX 4's administrators write them, unmodified, in bash with jq, Python and Node.js.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::site::{Site, message, outcome};
use crate::support::serve::report;

/// `METADATA_GPU` of a node is the text "true".
const GPU: &str = r#"#!/bin/bash
# Sessions that ask for a GPU go to GPU nodes, the one with the fewest sessions first; the others anywhere else.
input=$(cat)
want=$(jq -r '.params.start.gpu // false' <<<"$input")
node=$(jq -r --argjson want "$want" '
    [.nodes[] | select((.metadata.gpu == "true") == $want)]
    | sort_by(.nodeData.sessions | length) | .[0].id // empty' <<<"$input")
if [ -z "$node" ]; then
    echo "All GPU servers are in use" >&2
    exit 1
fi
echo "$node"
"#;

const LOAD: &str = r#"#!/usr/bin/env python3
# The lowest load per core.
import json, sys

data = json.load(sys.stdin)

def load(node):
    cpu = node["nodeData"]["health"]["cpu"]
    return cpu["load1"] / cpu["cores"]

print(min(data["nodes"], key=load)["id"])
"#;

const STICKY: &str = r#"#!/usr/bin/env node
// Back to where the user works already, else to the most free memory.
let text = '';
process.stdin.on('data', chunk => { text += chunk; });
process.stdin.on('end', () => {
    const { nodes, params } = JSON.parse(text);
    const me = params.me.username || params.me.login;
    const mine = nodes.find(node => node.nodeData.sessions.some(session => session.user === me));
    const free = nodes.reduce((best, node) => node.nodeData.health.mem.free > best.nodeData.health.mem.free ? node : best);
    console.log((mine || free).id);
});
"#;

const LICENCES: &str = r#"#!/usr/bin/env python3
"""At most two sessions of the CAD program in the whole cluster."""
import json, sys

LICENCES = 2
data = json.load(sys.stdin)
wanted = data["params"]["start"].get("command")
running = sum(1 for node in data["nodes"] for session in node["nodeData"]["sessions"] if session.get("name") == wanted)
if wanted == "cad" and running >= LICENCES:
    sys.exit("No CAD licence is free (%d of %d in use)" % (running, LICENCES))
print(json.dumps([node["id"] for node in data["nodes"] if not node["metadata"].get("gpu") or wanted == "cad"]))
"#;

const COUNTER: &str = r#"#!/bin/bash
# One node after the other; the counter is a file that parallel runs lock.
exec 9>>counter.lock
flock 9
count=$(cat counter 2>/dev/null || echo 0)
echo $((count + 1)) > counter
flock -u 9
jq -r --argjson count "$count" '.nodes | sort_by(.id) | .[$count % length].id'
"#;

const DEPARTMENT: &str = r#"#!/usr/bin/env node
// Who belongs where stands in a file beside this script: one `user department` a line.
const fs = require('fs');
const departments = new Map(fs.readFileSync('departments', 'utf8').trim().split('\n').map(line => line.split(/\s+/)));
const { nodes, params } = JSON.parse(fs.readFileSync(0, 'utf8'));
const department = departments.get(params.me.username);
if (!department) {
    console.error(`${params.me.username} belongs to no department`);
    process.exit(1);
}
console.log(JSON.stringify(nodes.filter(node => node.metadata.department === department).map(node => node.id)));
"#;

fn node(id: &str, gpu: bool, sessions: &[Value], load: f64, free: u64, department: &str) -> Value {
    let mut metadata = json!({"department": department});
    if gpu {
        metadata["gpu"] = json!("true");
    }
    json!({"id": id, "metadata": metadata, "nodeData": {
        "health": {"cpu": {"load1": load, "load5": load, "load15": load, "cores": 4, "utilization": 1},
                   "mem": {"free": free, "total": 16_000_000_000_u64, "percent": 50}},
        "services": ["launcher"], "sessions": sessions}})
}

async fn site() -> Site {
    let session = |id: &str, user: &str, name: &str| json!({"id": id, "user": user, "name": name});
    let scripts = [
        ("gpu.sh", GPU),
        ("load.py", LOAD),
        ("sticky.js", STICKY),
        ("licences.py", LICENCES),
        ("counter.sh", COUNTER),
        ("department.js", DEPARTMENT),
        ("departments", "ann mechanics\nbob physics\n"),
    ];
    let one = |action: &str| format!("[chain.\"{action}\"]\nsteps = [\"{action}\", \"builtin:fewest-sessions\"]\n");
    let chains: String = scripts.iter().take(6).map(|(name, _)| one(name)).collect();
    let site = Site::of(&chains, &scripts, 0).await;
    let nodes = [
        node("a", false, &[session("s1", "ann", "xterm")], 0.4, 4_000_000_000, "mechanics"),
        node("b", true, &[session("s2", "bob", "cad")], 2.0, 2_000_000_000, "mechanics"),
        node("c", true, &[], 8.0, 1_000_000_000, "physics"),
        node("d", false, &[session("s3", "eve", "x"), session("s4", "eve", "y")], 0.1, 9_000_000_000, "physics"),
    ];
    report(&site.client, &nodes).await;
    site
}

/// Whether the language of the two shell scripts is here; `make test` installs it where it can.
fn has_jq() -> bool {
    let here = std::process::Command::new("jq").arg("--version").output().is_ok();
    if !here {
        eprintln!("skipped: there is no jq on the PATH");
    }
    here
}

async fn start(site: &Site, script: &str, user: &str, start: Value) -> Value {
    site.ask_with(script, json!({"params": {"me": {"username": user}, "start": start}})).await
}

#[tokio::test]
async fn six_scripts_run_unmodified() {
    let site = site().await;
    for (script, user, request, expected) in [
        ("gpu.sh", "ann", json!({"gpu": true}), "c"),
        ("gpu.sh", "ann", json!({}), "a"),
        ("load.py", "ann", json!({}), "d"),
        ("sticky.js", "ann", json!({}), "a"),
        ("sticky.js", "bob", json!({}), "b"),
        ("sticky.js", "tom", json!({}), "d"),
        ("licences.py", "ann", json!({"command": "cad"}), "c"),
        ("licences.py", "ann", json!({"command": "xterm"}), "a"),
        ("department.js", "ann", json!({}), "a"),
        ("department.js", "bob", json!({}), "c"),
    ] {
        if script == "gpu.sh" && !has_jq() {
            continue;
        }
        let answer = start(&site, script, user, request.clone()).await;
        assert_eq!(outcome(&answer), expected, "{script} {user} {request}: {answer}");
    }
    let answer = start(&site, "department.js", "tom", json!({})).await;
    assert_eq!((outcome(&answer), message(&answer)), ("script-error".to_owned(), "tom belongs to no department"));
    report(&site.client, &[node("c", true, &[json!({"id": "s5", "user": "tom", "name": "cad"})], 8.0, 1, "physics")])
        .await;
    crate::support::eventually("the licences' end", async || {
        let answer = start(&site, "licences.py", "ann", json!({"command": "cad"})).await;
        (message(&answer) == "No CAD licence is free (2 of 2 in use)").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_counter_in_a_file_counts_each_decision_once() {
    if !has_jq() {
        return;
    }
    let site = site().await;
    let answers = join_all((0..40).map(|_| start(&site, "counter.sh", "ann", json!({})))).await;
    let mut counts = std::collections::BTreeMap::<_, usize>::new();
    answers.iter().for_each(|answer| *counts.entry(outcome(answer)).or_default() += 1);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"].map(|id| (id.to_owned(), 10)));
    assert_eq!(std::fs::read_to_string(site.serve.folder().join("counter")).unwrap().trim(), "40");
}
