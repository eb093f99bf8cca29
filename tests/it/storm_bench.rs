//! `whither bench --storm` on a real NATS server: what it prints, what it refuses, and that no innocent script is
//! convicted. Its figures are looked at by people: a debug build on a busy machine has none that say anything.

use crate::support::nats;
use crate::support::shell::{Shell, Told};
use serde_json::Value;

/// Ten nodes, a second, and whatever the build.
const TINY: [&str; 9] = ["--storm", "--any-build", "--no-peer", "--sizes", "10", "--in-flight", "8", "--seconds", "1"];

fn shell() -> Shell {
    Shell::new().with("WHITHER_NATS_SERVER", &nats::program().to_string_lossy())
}

fn storm(arguments: &[&str]) -> Told {
    shell().whither(["bench"].iter().chain(&TINY).chain(arguments))
}

#[test]
fn a_tiny_storm_convicts_nobody() {
    let told = storm(&["--only", "fewest-sessions,js-request", "--report-every", "1", "--json"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let figures: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&figures["faults"], &figures["left_out"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    let cell = &figures["cells"][0];
    assert_eq!((&cell["nodes"], &cell["in_flight"]), (&10.into(), &8.into()));
    let rows = cell["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["who"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo", "fewest-sessions", "js-request"]);
    for row in rows {
        let placed = row["placed"].as_u64().unwrap();
        assert!(placed > 0 && row["confirmed"].as_u64() == Some(placed), "{row}");
        assert!(row["p50_ns"].as_u64() <= row["max_ns"].as_u64() && row["rate_to_echo"].is_f64(), "{row}");
    }
    for row in &rows[1..] {
        for fault in ["worker_deaths", "convictions", "quarantines"] {
            assert_eq!(row[fault], 0, "{fault}: {row}");
        }
        assert!(row["memory_bytes"]["front"].as_u64() > Some(0) && row["cpu_us_each"]["front"].is_f64(), "{row}");
    }
}

#[test]
fn reservations_that_are_given_back_and_a_script_of_ones_own() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/weighted-load.js");
    let told = storm(&["--script", script, "--held", "5", "--one-login"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    for words in ["10 nodes, 8 in flight", "weighted-load.js", "to echo", "given back after 5 others", "no worker died"]
    {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
}

#[test]
fn a_script_that_fails_fails_the_storm() {
    let shell = shell();
    shell.write("broken.js", "function score(node) { throw new Error('too hot') }");
    let told = shell.whither(["bench"].iter().chain(&TINY).chain(&["--script", "broken.js"]));
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    assert!(told.stdout.contains("script-error") && told.stderr.contains("the service failed in the storm"));
    assert!(told.stderr.contains("too hot"), "{}", told.stderr);
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let shell = Shell::new();
    for (arguments, words) in [
        (vec!["--storm", "--nats", "nats://127.0.0.1:1"], "--nats"),
        (vec!["--storm", "--plot", "x.svg"], "--plot"),
        (vec!["--storm", "--only", "nothing"], "fewest-sessions"),
        (vec!["--storm", "--held", "5", "--life", "5"], "--life"),
        (vec!["--only", "js-pure"], "--storm"),
        (vec!["--nats", "nats://127.0.0.1:1", "--in-flight", "1,64"], "one number"),
    ] {
        let told = shell.whither(["bench"].iter().chain(&arguments));
        assert_eq!(told.code, Some(2), "{arguments:?}: {}", told.stderr);
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
    let told = shell.whither(["bench", "--storm"]);
    assert!(told.code == Some(1) && told.stderr.contains("debug build"), "{}", told.stderr);
}
