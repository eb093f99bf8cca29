//! `whither cordon`: takes a node out of service for new sessions, or says what would be left without the node.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::CommandExit;
use crate::cli::remote::ask;
use crate::cli::{output, table};
use crate::config::Namespace;
use crate::nats::Bus;
use crate::plain::Plain;

use super::{CordonArgs, mark};

/// Take a node out of service for new sessions; its sessions go on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither cordon node7 --reason 'kernel update'
  whither cordon node7 --dry-run
  whither uncordon node7")]
pub struct CordonCommandArgs {
    #[command(flatten)]
    mark: CordonArgs,
    /// Change nothing, and say what would be left: nodes that may be chosen, places by group, countable facts, and what
    /// runs on the node
    #[arg(long)]
    dry_run: bool,
    /// Print the outlook of --dry-run as JSON
    #[arg(long, requires = "dry_run")]
    json: bool,
}

/// Runs `whither cordon`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn cordon(args: &CordonCommandArgs) -> Result<(), CommandExit> {
    match args.dry_run {
        false => mark(&args.mark, Namespace::cordon),
        true => args.mark.remote.with_bus(async |bus, namespace| outlook(&bus, &namespace, args).await),
    }
}

async fn outlook(bus: &Bus, namespace: &Namespace, args: &CordonCommandArgs) -> Result<(), CommandExit> {
    let body = json!({"node": args.mark.id, "dry_run": true});
    let outlook = ask(bus, namespace.cordon(), &body).await?;
    if args.json {
        return output::json(format_args!("{outlook:#}"));
    }
    output::answer(page(&outlook))?;
    let warnings = outlook.get("warnings").and_then(Value::as_array).into_iter().flatten();
    for warning in warnings.filter_map(Value::as_str) {
        output::aside(format_args!("warning: {}", Plain(warning)));
    }
    Ok(())
}

/// Returns the outlook for a person.
fn page(outlook: &Value) -> String {
    let text = |pointer: &str| outlook.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let number = |pointer: &str| outlook.pointer(pointer).and_then(Value::as_u64);
    let shown = |pointer: &str| number(pointer).unwrap_or_default().to_string();
    let mut lines = vec![
        format!("{} is {}; nothing was changed", Plain(text("/node")), Plain(text("/state"))),
        format!(
            "on the node: {} sessions, {} reservations, {} users assigned",
            number("/sessions").map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string()),
            shown("/reservations"),
            shown("/assigned")
        ),
    ];
    let users = outlook.get("users").and_then(Value::as_object).into_iter().flatten();
    let users: Vec<_> = users.map(|(user, count)| format!("{} ({count})", Plain(user))).collect();
    if !users.is_empty() {
        lines.push(format!("users: {}", users.join(", ")));
    }
    let mut left = table::table(&["", "nodes that may be chosen", "after", "places left", "after"]);
    let group = Some(text("/group/group")).filter(|group| !group.is_empty());
    let group = group.map_or_else(|| "nodes without a group".to_owned(), |group| format!("group {group}"));
    for (name, at) in [("all nodes".to_owned(), ""), (group, "/group")] {
        let figures = ["placeable/now", "placeable/after", "left/now", "left/after"];
        let figures = figures.map(|figure| shown(&format!("{at}/{figure}")));
        left.add_row(table::row([name].into_iter().chain(figures)));
    }
    lines.push(left.to_string());
    let unlimited = number("/group/unlimited/after").unwrap_or_default();
    if unlimited > 0 {
        lines.push(format!("{unlimited} nodes of the group that would be left take any number of sessions"));
    }
    let facts = outlook.get("facts").and_then(Value::as_array).filter(|facts| !facts.is_empty());
    if let Some(facts) = facts {
        let mut rows = table::table(&["fact", "count", "held", "free", "held on the node"]);
        for fact in facts {
            let figure = |name: &str| fact.get(name).and_then(Value::as_u64).unwrap_or_default().to_string();
            let name = fact.get("fact").and_then(Value::as_str).unwrap_or_default().to_owned();
            let figures = ["count", "held", "free", "held_there"].map(figure);
            rows.add_row(table::row([name].into_iter().chain(figures)));
        }
        lines.push(rows.to_string());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_would_be_left() {
        let both = |now: u64, after: u64| json!({"now": now, "after": after});
        let outlook = json!({
            "node": "n7", "state": "ready", "sessions": 3, "reservations": 1, "assigned": 2,
            "users": {"ann": 2, "b\u{7}b": 1}, "placeable": both(5, 4), "left": both(40, 31),
            "group": {"group": "gpu", "placeable": both(2, 1), "left": both(18, 9), "unlimited": both(0, 0)},
            "facts": [{"fact": "matlab", "count": 12, "held": 5, "free": 7, "held_there": 2}],
        });
        let page = page(&outlook);
        for words in [
            "n7 is ready; nothing was changed",
            "on the node: 3 sessions, 1 reservations, 2 users assigned",
            "ann (2), b\\u{7}b (1)",
            "group gpu",
            "31",
            "matlab",
        ] {
            assert!(page.contains(words), "{words}:\n{page}");
        }
        let silent = super::page(&json!({"node": "n7", "state": "ready"}));
        assert!(silent.contains("an unknown number of sessions"), "{silent}");
    }
}
