//! Shrinking: a cluster on which a case fails is made as small as it can be and still fail.
//!
//! Greedy, and driven from outside: the shrinker proposes a smaller cluster, and is told whether the case still fails on
//! it. First nodes go, half of them at a time and then one by one; then sessions, then fields of nodes. What is left
//! has nothing in it that does not matter, one thing at a time.

use serde_json::Value;

/// The most clusters that are tried for one failure.
pub const MAX_TRIALS: u32 = 2_000;

/// Fields that nodes need.
const KEPT: [&str; 1] = ["id"];

/// A cluster that is made smaller.
#[derive(Debug)]
pub struct Shrinker {
    nodes: Vec<Value>,
    stage: Stage,
    proposed: Option<Vec<Value>>,
    trials: u32,
    /// Whether anything could be left out since the stages began.
    has_shrunk: bool,
}

#[derive(Clone, Debug)]
enum Stage {
    /// So many nodes in a row, from this one on.
    Nodes {
        from: usize,
        count: usize,
    },
    /// A value within a node, by its number among those that could go.
    Parts {
        node: usize,
        part: usize,
    },
    Done,
}

impl Shrinker {
    /// A shrinker of the cluster `nodes`, on which a case fails.
    #[must_use]
    pub fn new(nodes: Vec<Value>) -> Self {
        let count = nodes.len().div_ceil(2);
        let stage = if count == 0 { Stage::Done } else { Stage::Nodes { from: 0, count } };
        Self { nodes, stage, proposed: None, trials: 0, has_shrunk: false }
    }

    /// The next smaller cluster to try; absent where there is none that is worth it.
    pub fn propose(&mut self) -> Option<&[Value]> {
        while self.trials < MAX_TRIALS {
            let candidate = match self.stage.clone() {
                Stage::Nodes { from, count } if from < self.nodes.len() => {
                    let rest = self.nodes.iter().enumerate();
                    let rest = rest.filter(|(place, _)| !(from..from + count).contains(place));
                    Some(rest.map(|(_, node)| node.clone()).collect())
                }
                Stage::Nodes { count: 1, .. } => {
                    self.stage = Stage::Parts { node: 0, part: 0 };
                    None
                }
                Stage::Nodes { count, .. } => {
                    self.stage = Stage::Nodes { from: 0, count: count.div_ceil(2).min(count - 1) };
                    None
                }
                Stage::Parts { node, part } => match self.nodes.get(node).map(|value| without(value, part)) {
                    Some(Some(smaller)) => {
                        let mut nodes = self.nodes.clone();
                        if let Some(place) = nodes.get_mut(node) {
                            *place = smaller;
                        }
                        Some(nodes)
                    }
                    Some(None) => {
                        self.stage = Stage::Parts { node: node + 1, part: 0 };
                        None
                    }
                    None if self.has_shrunk => {
                        self.has_shrunk = false;
                        self.stage = Stage::Nodes { from: 0, count: 1 };
                        None
                    }
                    None => {
                        self.stage = Stage::Done;
                        None
                    }
                },
                Stage::Done => return None,
            };
            if let Some(candidate) = candidate {
                self.trials += 1;
                self.proposed = Some(candidate);
                return self.proposed.as_deref();
            }
        }
        None
    }

    /// Takes in whether the case still fails on what was proposed last.
    pub fn tell(&mut self, still_fails: bool) {
        let Some(proposed) = self.proposed.take() else { return };
        if still_fails {
            self.nodes = proposed;
            self.has_shrunk = true;
            // What came after it has moved into its place.
            return;
        }
        match &mut self.stage {
            Stage::Nodes { from, count } => *from += *count,
            Stage::Parts { part, .. } => *part += 1,
            Stage::Done => {}
        }
    }

    /// The smallest cluster so far on which the case fails.
    #[must_use]
    pub fn into_nodes(self) -> Vec<Value> {
        self.nodes
    }
}

/// `node` without its part number `part`; absent where the node has fewer.
fn without(node: &Value, part: usize) -> Option<Value> {
    let mut smaller = node.clone();
    let mut left = part;
    remove(&mut smaller, &mut left, true).then_some(smaller)
}

/// Removes the value number `left`, from the outside in; whether it was there.
fn remove(value: &mut Value, left: &mut usize, is_node: bool) -> bool {
    match value {
        Value::Object(fields) => {
            let names: Vec<_> = fields.keys().cloned().collect();
            for name in names {
                if is_node && KEPT.contains(&name.as_str()) {
                    continue;
                }
                if *left == 0 {
                    fields.shift_remove(&name);
                    return true;
                }
                *left -= 1;
                if fields.get_mut(&name).is_some_and(|inner| remove(inner, left, false)) {
                    return true;
                }
            }
            false
        }
        Value::Array(items) => {
            for place in 0..items.len() {
                if *left == 0 {
                    items.remove(place);
                    return true;
                }
                *left -= 1;
                if items.get_mut(place).is_some_and(|inner| remove(inner, left, false)) {
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shrunk(nodes: Vec<Value>, fails: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        assert!(fails(&nodes));
        let mut shrinker = Shrinker::new(nodes);
        while let Some(proposed) = shrinker.propose() {
            let still_fails = fails(proposed);
            shrinker.tell(still_fails);
        }
        let nodes = shrinker.into_nodes();
        assert!(fails(&nodes));
        nodes
    }

    #[test]
    fn what_is_left_is_what_matters() {
        let node =
            |number: u32| json!({"id": format!("n{number}"), "sessions": number, "metadata": {"gpu": "true", "x": 1}});
        let nodes: Vec<_> = (0..20).map(node).collect();
        let has =
            |nodes: &[Value], id: &str| nodes.iter().any(|node| node["id"] == id && node["metadata"]["gpu"] == "true");
        let small = shrunk(nodes.clone(), |nodes| has(nodes, "n3") && has(nodes, "n17"));
        assert_eq!(small, [3, 17].map(|n| json!({"id": format!("n{n}"), "metadata": {"gpu": "true"}})));
        let small = shrunk(nodes.clone(), |nodes| nodes.len() >= 3);
        assert_eq!(small.len(), 3);
        assert!(shrunk(nodes, |_| true).is_empty());
        let sessions = json!({"id": "a", "nodeData": {"sessions": [{"id": "1"}, {"id": "2"}, {"id": "3"}]}});
        let small = shrunk(vec![sessions], |nodes| {
            nodes.iter().any(|node| node["nodeData"]["sessions"].as_array().is_some_and(|list| list.len() >= 2))
        });
        assert_eq!(small, [json!({"id": "a", "nodeData": {"sessions": [{}, {}]}})]);
    }
}
