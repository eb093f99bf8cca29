//! The page of `whither status`: a line in short, the replicas, the capacity, the agents, the problems.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::Cell;
use owo_colors::OwoColorize;
use serde_json::Value;

use crate::cli::bench::units::{duration, span};
use crate::cli::fact;
use crate::cli::table::{self, Tone, toned};
use crate::plain::Plain;

use super::{ServiceStatus, number, text};

/// The most groups that are shown.
const MAX_GROUPS: usize = 30;
/// The age of a view in milliseconds from which on it is doubtful.
const OLD_VIEW_MS: u64 = 10_000;

/// Returns the page.
pub(super) fn page(status: &ServiceStatus) -> String {
    let mut page = String::new();
    let mut say = |part: String| {
        page.push_str(&part);
        page.push('\n');
    };
    say(headline(status));
    say(replicas(status));
    if let Some(capacity) = status.replicas.first().and_then(capacity) {
        say(capacity);
    }
    if let Some(facts) = status.replicas.first().and_then(facts) {
        say(facts);
    }
    if let Some(agents) = status.replicas.first().map(agents).filter(|agents| !agents.is_empty()) {
        say(format!("{} {agents}", "agents".bold()));
    }
    for replica in &status.replicas {
        for note in replica.pointer("/notes").and_then(Value::as_array).into_iter().flatten() {
            let note = Plain(note.as_str().unwrap_or_default());
            say(format!("{} {}: {note}", "note".yellow().bold(), text(replica, "/replica")));
        }
    }
    for (whose, problem) in &status.problems {
        say(format!("{} {}: {}", "problem".red().bold(), Plain(whose), Plain(problem)));
    }
    if status.problems.is_empty() {
        say(format!("{}", "all is well".green().bold()));
    }
    page.truncate(page.trim_end().len());
    page
}

/// The service in a line, by the first replica's view of the cluster.
fn headline(status: &ServiceStatus) -> String {
    let Some(first) = status.replicas.first() else { return "no replica answered".to_owned() };
    let states = first.pointer("/view/states").and_then(Value::as_object).into_iter().flatten();
    let states: Vec<_> = states.map(|(state, count)| format!("{count} {}", Plain(state))).collect();
    let (replicas, nodes) = (status.replicas.len(), number(first, "/view/nodes"));
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let waiting: u64 = status.replicas.iter().map(|replica| number(replica, "/requests/waiting")).sum();
    let mut line = format!(
        "{} of {} replica{} · {nodes} node{}",
        replicas,
        status.expected.max(replicas),
        plural(status.expected.max(replicas) as u64),
        plural(nodes)
    );
    if !states.is_empty() {
        let _written = write!(line, " ({})", states.join(", "));
    }
    let reservations = number(first, "/reservations");
    let _written = write!(line, " · {reservations} reservation{} · {waiting} waiting", plural(reservations));
    line
}

fn replicas(status: &ServiceStatus) -> String {
    let headings = [
        "replica",
        "host",
        "version",
        "up",
        "chains",
        "view",
        "requests/min",
        "no node",
        "errors",
        "p50",
        "p99",
        "workers",
    ];
    let mut rows = table::table(&headings);
    let digests: Vec<_> = status.replicas.iter().map(|replica| text(replica, "/chains/digest")).collect();
    let differ = digests.windows(2).any(|two| two.first() != two.last());
    for replica in &status.replicas {
        let minute = |field: &str| number(replica, &format!("/requests/minutes/0/{field}"));
        let time = |us: u64| if minute("requests") == 0 { "-".to_owned() } else { duration(us.saturating_mul(1000)) };
        let is_ready = replica.pointer("/ready").and_then(Value::as_bool) == Some(true);
        let name = toned(text(replica, "/replica"), if is_ready { Tone::Good } else { Tone::Bad });
        let (digest, edition) = (text(replica, "/chains/digest"), number(replica, "/chains/edition"));
        let digest = format!("{} (v{edition})", digest.get(..8).unwrap_or(&digest));
        let counted = |count: u64, tone: Tone| match count {
            0 => Cell::new("0"),
            count => toned(count.to_string(), tone),
        };
        let chains = if differ { toned(digest, Tone::Bad) } else { Cell::new(digest) };
        let plain = |value: String| Cell::new(value);
        rows.add_row(vec![
            name,
            plain(text(replica, "/host")),
            plain(text(replica, "/version")),
            plain(span(number(replica, "/uptime_s"))),
            chains,
            view(replica),
            plain(minute("requests").to_string()),
            counted(minute("no_node"), Tone::Doubtful),
            counted(minute("errors"), Tone::Bad),
            plain(time(minute("p50_us"))),
            plain(time(minute("p99_us"))),
            workers(replica),
        ]);
    }
    rows.to_string()
}

fn view(replica: &Value) -> Cell {
    let is_kept = replica.pointer("/view/is_kept").and_then(Value::as_bool) == Some(true);
    match replica.pointer("/view/age_ms").and_then(Value::as_u64) {
        None => toned("never read", Tone::Bad),
        Some(age_ms) => {
            let age = format!("{} old", duration(age_ms.saturating_mul(1_000_000)));
            match is_kept {
                false => toned(format!("lost, {age}"), Tone::Bad),
                true if age_ms > OLD_VIEW_MS => toned(age, Tone::Doubtful),
                true => Cell::new(age),
            }
        }
    }
}

fn workers(replica: &Value) -> Cell {
    let [slots, staffed, spares, deaths] =
        ["slots", "staffed", "spares", "deaths"].map(|field| number(replica, &format!("/workers/{field}")));
    let mut shown = format!("{staffed}/{slots}, {spares} spare");
    if deaths > 0 {
        let _written = write!(shown, ", {deaths} died");
    }
    match (staffed < slots, deaths > 0) {
        (true, _) => toned(shown, Tone::Bad),
        (false, true) => toned(shown, Tone::Doubtful),
        (false, false) => Cell::new(shown),
    }
}

/// The capacity by group, as the first replica sees it; nothing where there is no node.
fn capacity(replica: &Value) -> Option<String> {
    let groups = replica.pointer("/capacity").and_then(Value::as_array).filter(|groups| !groups.is_empty())?;
    let mut rows = table::table(&["group", "nodes", "ready", "sessions", "reserved", "max", "left"]);
    for group in groups.iter().take(MAX_GROUPS) {
        let name = Some(text(group, "/group")).filter(|name| !name.is_empty()).unwrap_or_else(|| "-".to_owned());
        let figures = ["nodes", "ready", "sessions", "reservations", "max"];
        let figures = figures.map(|field| number(group, &format!("/{field}")).to_string());
        let (left, unlimited) = (number(group, "/left"), number(group, "/unlimited"));
        let left = match (left, unlimited) {
            (0, 0) => toned("0", Tone::Bad),
            (left, 0) => toned(left.to_string(), Tone::Good),
            (left, unlimited) => Cell::new(format!("{left}, and {unlimited} without a limit")),
        };
        let mut row = table::row([name].into_iter().chain(figures));
        row.push(left);
        rows.add_row(row);
    }
    let more = number(replica, "/groups").saturating_sub(groups.len().min(MAX_GROUPS) as u64);
    let more = if more > 0 { format!("\nand {more} more groups") } else { String::new() };
    Some(format!("{rows}{more}"))
}

/// The countable facts, as the first replica sees them; nothing where there are none.
fn facts(replica: &Value) -> Option<String> {
    let facts = replica.pointer("/facts").and_then(Value::as_array).filter(|facts| !facts.is_empty())?;
    Some(fact::rows(facts).to_string())
}

/// The agents by version, each with the states of their nodes.
fn agents(replica: &Value) -> String {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for count in replica.pointer("/agents").and_then(Value::as_array).into_iter().flatten() {
        let version = Some(text(count, "/version")).filter(|version| !version.is_empty());
        let version = version.unwrap_or_else(|| "without a version".to_owned());
        versions.entry(version).or_default().push(format!("{} {}", number(count, "/nodes"), text(count, "/state")));
    }
    let versions: Vec<_> =
        versions.into_iter().map(|(version, states)| format!("{version}: {}", states.join(", "))).collect();
    versions.join(" · ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replica(problems: &[&str]) -> Value {
        json!({
            "replica": "ab12cd34", "replicas": 1, "host": "bus-1", "version": "0.1.0", "uptime_s": 3725, "ready": true,
            "problems": problems, "notes": ["seal: no \u{1b}[31mseccomp"],
            "chains": {"digest": "0123456789abcdef", "edition": 2, "actions": ["session/start"]},
            "view": {"age_ms": 300, "is_kept": true, "nodes": 2, "states": {"ready": 1, "stale": 1}, "stale": ["b"]},
            "agents": [{"version": "0.1.0", "state": "ready", "nodes": 1}, {"version": "", "state": "stale", "nodes": 1}],
            "workers": {"slots": 2, "staffed": 2, "spares": 1, "deaths": 3},
            "requests": {"unanswered": 0, "waiting": 4, "minutes": [
                {"requests": 120, "no_node": 2, "errors": 1, "p50_us": 310, "p99_us": 1900, "max_us": 5000}]},
            "reservations": 1, "quarantine": [], "groups": 1,
            "capacity": [{"group": "gpu", "nodes": 2, "ready": 1, "sessions": 3, "reservations": 1, "max": 10, "left": 6,
                "unlimited": 0}],
        })
    }

    #[test]
    fn a_page_has_everything_and_no_text_steers_the_terminal() {
        let status = ServiceStatus::new(vec![replica(&["1 node has not reported for too long: b"])], 1);
        let page = anstream::adapter::strip_str(&page(&status)).to_string();
        for words in [
            "1 of 1 replica · 2 nodes (1 ready, 1 stale) · 1 reservation · 4 waiting",
            "ab12cd34",
            "bus-1",
            "1 h 2 min",
            "01234567 (v2)",
            "300 ms old",
            "120",
            "310 µs",
            "1.90 ms",
            "2/2, 1 spare, 3 died",
            "gpu",
            "agents 0.1.0: 1 ready",
            "without a version: 1 stale",
            "problem ab12cd34: 1 node has not reported for too long: b",
        ] {
            assert!(page.contains(words), "{words}:\n{page}");
        }
        assert!(page.contains("note ab12cd34: seal: no \\u{1b}[31mseccomp"), "{page}");
        assert!(!page.contains("all is well"));
    }

    #[test]
    fn a_service_that_is_well_says_so() {
        let page = page(&ServiceStatus::new(vec![replica(&[])], 1));
        assert!(page.contains("all is well"), "{page}");
    }
}
