//! `whither fact`: countable facts, such as floating licences, that requests need and sessions hold.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::plain::Plain;

use super::exit::CommandExit;
use super::nodes::whoami;
use super::remote::{RemoteArgs, ask};
use super::table::{self, Tone, toned};
use super::{bench::units::span, output};

/// Countable facts: floating licences, seats, slots of a shared GPU.
///
/// A request with `needs: {"matlab": 1}` is placed only where so many units are free, and its session holds them until it
/// is gone. Scripts see `input.facts`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither fact set matlab 12
  whither fact set gpu-slots 8 --ttl 60
  whither fact list
  whither place --need matlab=1 --user ann
  whither fact delete matlab")]
pub struct FactArgs {
    #[command(subcommand)]
    what: FactCommand,
}

#[derive(Debug, Subcommand)]
enum FactCommand {
    /// Set how many units there are. What is held stays held; with a count below that nothing is free until sessions end
    Set {
        /// The name of the fact: 1 to 64 letters, digits, `.`, `_` or `-`
        name: String,
        /// The number of units that sessions may hold, 0 to 1000000
        #[arg(allow_negative_numbers = true)]
        count: String,
        /// Believe the count for so many seconds: where nobody sets it again by then, requests that need the fact are
        /// refused [default: for ever]
        #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
        ttl: Option<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// The facts: how many units there are, held and free, who set them, and how long they are believed
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Delete a fact, and forget what is held of it: requests that need it are refused
    #[command(visible_alias = "unset")]
    Delete {
        /// The name of the fact
        name: String,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

/// Runs `whither fact`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn run(args: &FactArgs) -> Result<(), CommandExit> {
    match &args.what {
        FactCommand::Set { name, count, ttl, remote } => set(name, count, ttl.as_deref(), remote),
        FactCommand::List { json, remote } => list(*json, remote),
        FactCommand::Delete { name, remote } => delete(name, remote),
    }
}

fn set(name: &str, count: &str, ttl: Option<&str>, remote: &RemoteArgs) -> Result<(), CommandExit> {
    remote.with_bus(async |bus, namespace| {
        let body = json!({"fact": name, "count": number(count), "ttl_s": ttl.map(number), "by": whoami()});
        let answer = ask(&bus, namespace.fact_set(), &body).await?;
        let figure = |pointer: &str| answer.pointer(pointer).and_then(Value::as_u64);
        let (count, held) = (figure("/now/count").unwrap_or_default(), figure("/now/held").unwrap_or_default());
        let before = figure("/before/count").filter(|before| *before != count);
        let before = before.map(|before| format!(", before {before}")).unwrap_or_default();
        let until = figure("/now/ttl_ms").map(|ttl_ms| format!(", for {}", span(ttl_ms / 1000))).unwrap_or_default();
        output::answer(format_args!("{} is {count}{before}{until}", Plain(name)))?;
        if held > count {
            output::aside(format_args!("{held} are held: nothing is free until sessions end"));
        }
        Ok(())
    })
}

fn delete(name: &str, remote: &RemoteArgs) -> Result<(), CommandExit> {
    remote.with_bus(async |bus, namespace| {
        let answer = ask(&bus, namespace.fact_delete(), &json!({"fact": name})).await?;
        let Some(before) = answer.get("before").filter(|before| !before.is_null()) else {
            return output::answer(format_args!("{} was not set", Plain(name)));
        };
        let figure = |field: &str| before.get(field).and_then(Value::as_u64).unwrap_or_default();
        output::answer(format_args!("{} is deleted, before {}", Plain(name), figure("count")))?;
        if figure("held") > 0 {
            output::aside(format_args!("{} were held, which nobody counts any more", figure("held")));
        }
        Ok(())
    })
}

fn list(as_json: bool, remote: &RemoteArgs) -> Result<(), CommandExit> {
    remote.with_bus(async |bus, namespace| {
        let answer = ask(&bus, namespace.facts(), &json!({})).await?;
        let facts = answer.get("facts").and_then(Value::as_array).cloned().unwrap_or_default();
        if as_json {
            return output::json(format_args!("{:#}", Value::Array(facts)));
        }
        output::answer(rows(&facts))?;
        output::aside(format_args!("{} fact{}", facts.len(), if facts.len() == 1 { "" } else { "s" }));
        Ok(())
    })
}

/// Returns the table of `facts`, as a replica lists them.
pub(super) fn rows(facts: &[Value]) -> comfy_table::Table {
    let mut rows = table::table(&["fact", "count", "held", "free", "set by", "believed"]);
    for fact in facts {
        let text = |field: &str| fact.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let figure = |field: &str| fact.get(field).and_then(Value::as_u64).unwrap_or_default();
        let left_ms = fact.get("left_ms").and_then(Value::as_i64);
        let is_expired = text("state") == "expired";
        let seconds = |left_ms: i64| span(left_ms.unsigned_abs() / 1000);
        let believed = match left_ms {
            None => table::row(["until it is set again"]),
            Some(left_ms) if is_expired => vec![toned(format!("not since {}", seconds(left_ms)), Tone::Bad)],
            Some(left_ms) => table::row([format!("for {}", seconds(left_ms))]),
        };
        let free = toned(figure("free").to_string(), if figure("free") == 0 { Tone::Bad } else { Tone::Good });
        let mut row = table::row([text("fact"), figure("count").to_string(), figure("held").to_string()]);
        row.push(free);
        row.extend(table::row([text("by")]));
        row.extend(believed);
        rows.add_row(row);
    }
    rows
}

/// Returns the number that `text` writes, else the text itself: the service says what is wrong with it.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_no_json| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_what_is_free_and_what_is_not_believed_any_more() {
        let fact = json!({"fact": "m\u{1b}[31m", "state": "known", "count": 12, "held": 3, "free": 9, "by": "eve"});
        let gone = json!({"fact": "gone", "state": "expired", "count": 5, "held": 0, "free": 0, "by": "node a",
            "ttl_ms": 60_000, "left_ms": -7_000});
        let text = anstream::adapter::strip_str(&rows(&[fact, gone]).to_string()).to_string();
        assert!(text.contains("m\\u{1b}[31m") && text.contains("until it is set again"), "{text}");
        assert!(text.contains("not since 7 s") && text.contains("node a"), "{text}");
    }

    #[test]
    fn what_is_no_number_is_left_to_the_service() {
        assert_eq!((number("12"), number("-1"), number("many")), (json!(12), json!(-1), json!("many")));
        assert_eq!(number("1.5"), json!(1.5));
    }
}
