//! Variety for drawn clusters: nodes that say little, are full, away or cordoned, beside those as they should be.
//!
//! A property that holds on tidy nodes alone is not worth much: scripts break on the node without a load average.

use serde_json::{Map, Value, json};

use crate::clock::Dice;

/// Values of `metadata` and `staticData` that scripts ask for.
const FLAGS: [&str; 4] = ["true", "false", "yes", ""];
const POOLS: [&str; 3] = ["day", "night", "cad"];

/// `node` as a cluster of number `cluster` may have it; the same for the same `seed`.
#[must_use]
pub fn vary(mut node: Value, seed: u64, cluster: u32) -> Value {
    let id = node.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut dice = Dice::new(seed, u64::from(cluster) + 1, &id);
    let Some(fields) = node.as_object_mut() else { return node };
    if dice.unit() < 0.1 {
        // A node that has just come: nothing but its name.
        fields.retain(|name, _| name == "id");
        return node;
    }
    if dice.unit() < 0.15 {
        drop_member(fields, "health");
    }
    if dice.unit() < 0.1 {
        drop_member(fields, "sessions");
    }
    if dice.unit() < 0.3 {
        member(fields, "metadata", "gpu", pick(&mut dice, &FLAGS));
    }
    if dice.unit() < 0.3 {
        member(fields, "metadata", "pool", pick(&mut dice, &POOLS));
    }
    if dice.unit() < 0.2 {
        fields.insert("staticData".to_owned(), json!({}));
    }
    if dice.unit() < 0.1 {
        let sessions = fields.get("nodeData").and_then(|data| data.get("sessions")).and_then(Value::as_array);
        let full = sessions.map_or(0, Vec::len);
        fields.insert("maxSessions".to_owned(), json!(full));
    }
    if dice.unit() < 0.1 {
        fields.insert("cordoned".to_owned(), json!(true));
    }
    if dice.unit() < 0.05 {
        fields.insert("available".to_owned(), json!(false));
    }
    node
}

fn drop_member(fields: &mut Map<String, Value>, name: &str) {
    if let Some(data) = fields.get_mut("nodeData").and_then(Value::as_object_mut) {
        data.shift_remove(name);
    }
}

fn member(fields: &mut Map<String, Value>, table: &str, name: &str, value: &str) {
    let entry = fields.entry(table).or_insert_with(|| json!({}));
    if let Some(own) = entry.as_object_mut() {
        own.insert(name.to_owned(), json!(value));
    }
}

fn pick(dice: &mut Dice, choices: &[&'static str]) -> &'static str {
    choices.get((dice.unit() * choices.len() as f64) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Report;

    #[test]
    fn nodes_differ_and_stay_nodes() {
        let node = |number: u32| json!({"id": format!("n{number}"), "nodeData": {"sessions": [], "health": {}}});
        let drawn: Vec<_> = (0..200).map(|number| vary(node(number), 7, number)).collect();
        assert!(drawn.iter().all(|node| Report::from_value(node.clone()).is_ok()));
        let has = |field: &str| drawn.iter().filter(|node| node.get(field).is_some()).count();
        assert!(has("cordoned") > 5 && has("metadata") > 50 && has("nodeData") < 200);
        assert_eq!(vary(node(3), 7, 3), drawn[3]);
    }
}
