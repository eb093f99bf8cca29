//! Programs in a storm: each sees every place that was taken before it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use super::site::{Site, message, outcome};

const NODES: usize = 8;
const STORM: usize = 32;
const ACTION: &str = "session/start";

const FEWEST: &str = "#!/usr/bin/env python3
import json, sys
nodes = json.load(sys.stdin)['nodes']
print(min(nodes, key=lambda node: len(node['nodeData']['sessions']))['id'])
";
/// Leaves the choice to the next step.
const ROOMY: &str = "#!/usr/bin/env python3
import json, sys
nodes = json.load(sys.stdin)['nodes']
least = min(len(node['nodeData']['sessions']) for node in nodes)
print(json.dumps([node['id'] for node in nodes if len(node['nodeData']['sessions']) == least]))
";
const THREE_LICENCES: &str = "#!/usr/bin/env python3
import json, sys
nodes = json.load(sys.stdin)['nodes']
if sum(len(node['nodeData']['sessions']) for node in nodes) >= 3:
    sys.exit('all 3 licences are in use')
print(json.dumps([node['id'] for node in nodes]))
";
const RESIDENT: &str = "#!/usr/bin/env python3
import json, sys
nodes = {}
for line in sys.stdin:
    told = json.loads(line)
    if 'node' in told:
        nodes[told['node']['id']] = len(told['node']['nodeData']['sessions'])
    elif 'gone' in told:
        nodes.pop(told['gone'], None)
    elif 'request' in told:
        least = min(nodes.values())
        names = [name for name, sessions in nodes.items() if sessions == least]
        print(json.dumps({'request': told['request'], 'answer': names}), flush=True)
";

/// How many of a storm each outcome got.
async fn storm(steps: &str, program: &str, count: usize) -> (Site, BTreeMap<String, usize>) {
    let chains = format!("[chain.\"{ACTION}\"]\nsteps = [{steps}]\n");
    let site = Site::of(&chains, &[("program.py", program)], NODES).await;
    let ask = |number: usize| site.ask_with(ACTION, json!({"user": {"login": format!("u{number}")}}));
    let answers = join_all((0..count).map(ask)).await;
    let mut outcomes = BTreeMap::new();
    for answer in &answers {
        *outcomes.entry(outcome(answer)).or_default() += 1;
    }
    assert!(answers.iter().all(|answer| !message(answer).contains("while the program ran")), "{answers:?}");
    (site, outcomes)
}

fn evenly() -> BTreeMap<String, usize> {
    (0..NODES).map(|node| (format!("n{node:02}"), STORM / NODES)).collect()
}

#[tokio::test]
async fn a_storm_through_a_program_fills_the_nodes_evenly() {
    let (_site, outcomes) = storm("\"program.py\"", FEWEST, STORM).await;
    assert_eq!(outcomes, evenly());
}

#[tokio::test]
async fn what_a_program_leaves_to_the_next_step_is_known_before_the_next_program_runs() {
    let (_site, outcomes) = storm("\"program.py\", \"builtin:round-robin\"", ROOMY, STORM).await;
    assert_eq!(outcomes, evenly());
}

#[tokio::test]
async fn three_licences_are_three() {
    let (_site, outcomes) = storm("\"program.py\", \"builtin:fewest-sessions\"", THREE_LICENCES, 6).await;
    assert_eq!(outcomes.get("script-error"), Some(&3), "{outcomes:?}");
}

#[tokio::test]
async fn a_program_that_stays_keeps_the_promise_too() {
    let steps = "{ script = \"program.py\", mode = \"resident\" }, \"builtin:round-robin\"";
    let (_site, outcomes) = storm(steps, RESIDENT, STORM).await;
    assert_eq!(outcomes, evenly());
}

#[tokio::test]
async fn side_by_side_a_program_is_asked_again_where_its_node_took_something_meanwhile() {
    let (site, outcomes) = storm("{ script = \"program.py\", parallel = 4 }", FEWEST, STORM).await;
    assert_eq!(outcomes, evenly());
    assert!(site.serve.figure("whither_refused_commits_total") > Some(0.0), "all four see the same node first");
}
