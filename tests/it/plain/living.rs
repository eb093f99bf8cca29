//! A real service that is told nasty texts by everybody: requesters, scripts, programs, nodes and operators.

use std::process::Command;

use serde_json::{Value, json};

use super::{must_be_plain, without_colours};
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, ask_raw, report};

const NASTY: &str = "\u{1b}[2J\u{9b}31m\u{202e}x\r\n2026-11-20T17:30:00.000000Z  INFO whither: forged\n\
                     {\"level\":\"INFO\",\"fields\":{\"message\":\"forged\"}}\u{2028}\u{7f}\u{200b}";

/// Logs and throws what the request brings, and half a character beside it.
const THROWS: &str = "function balance(input) {
    console.log(input.user.login + '\\ud800');
    console.warn(input.data.text);
    throw new Error(input.data.text);
}";
/// Says on standard error what no text is, and what a terminal obeys.
const PROGRAM: &str =
    "#!/bin/sh\ncat > /dev/null\nprintf '\\033[2J\\233\\377\\r2026 forged\\nforged \\342\\200\\256x\\n' >&2\nexit 1\n";
const CHAINS: &str = "[chain.\"session/start\"]\nsteps = [\"throws.js\"]\n[chain.program]\nsteps = [\"program.sh\"]\n\
                      [chain.good]\nsteps = [\"builtin:fewest-sessions\"]\n";

struct Site {
    nats: Nats,
    serve: Serve,
}

/// A service that was told all of it, with a log of `format`.
async fn told(format: &str) -> Site {
    let nats = Nats::start();
    let scripts = [("throws.js", THROWS), ("program.sh", PROGRAM)];
    let mut serve = Serve::spawn_in(&nats, &[("WHITHER_LOG_FORMAT", format)], CHAINS, &scripts);
    serve.ready().await;
    let client = nats.client().await;
    let session = json!({"user": NASTY, "name": NASTY, "state": NASTY, "since": NASTY});
    let node = |id: &str| {
        json!({
            "id": id, "hostname": NASTY, "urls": [NASTY], "metadata": {"a": NASTY, NASTY: "b"},
            "nodeData": {"sessions": [session]},
        })
    };
    report(&client, &[node("n00"), node("n\u{202e}1")]).await;
    let broken = json!({"id": NASTY, "nodeData": NASTY});
    crate::support::serve::bucket(&client).await.put("broken", broken.to_string().into()).await.unwrap();
    let request = json!({"user": {"login": NASTY}, "data": {"text": NASTY}});
    let thrown = ask(&client, "whither.place", &request).await;
    assert_eq!(thrown.body["error"]["message"], NASTY, "the requester gets the script's own words");
    for action in ["program", "good", NASTY] {
        ask(&client, "whither.place", &json!({"action": action, "id": NASTY, "user": {"login": NASTY}})).await;
    }
    for body in ["\u{1b}[2J\n", "{\"user\": \"\\ud800\"}", "{\"\u{202e}\": 1, \"wait_ms\": \"\u{1b}\"}"] {
        ask_raw(&client, "whither.place", body.as_bytes().to_vec(), Default::default()).await;
    }
    for node in ["n00", "n\u{202e}1", "nobody\u{1b}[2J"] {
        let mark = json!({"node": node, "reason": NASTY, "by": NASTY});
        ask(&client, "whither.cordon", &mark).await;
    }
    serve.logged("forged").await;
    Site { nats, serve }
}

#[tokio::test]
async fn the_log_has_one_line_an_event() {
    let site = told("text").await;
    let log = site.serve.log();
    must_be_plain(&log);
    for line in log.lines() {
        let level = line.split_whitespace().nth(1).unwrap_or_default();
        assert!(line.starts_with("20") && ["INFO", "WARN", "ERROR"].contains(&level), "{line}");
        assert!(!line.contains("whither: forged") || line.contains("\\n20"), "a forged line: {line}");
    }
    assert!(log.contains("script: \\u{1b}[2J\\u{9b}31m\\u{202e}x\\r\\n2026"), "{log}");
}

#[tokio::test]
async fn the_log_of_objects_has_one_object_an_event() {
    let site = told("json").await;
    let log = site.serve.log();
    must_be_plain(&log);
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["fields"]["message"].is_string() && event["timestamp"].is_string()));
    assert!(events.iter().all(|event| event["fields"]["message"] != "forged"));
    assert!(events.iter().any(|event| event["fields"]["message"] == NASTY && event["target"] == "script"));
}

#[tokio::test]
async fn what_the_commands_print_steers_no_terminal() {
    let site = told("text").await;
    let nodes = json!([{"id": "n0\u{202e}", "nodeData": {"sessions": []}}]).to_string();
    site.serve.write("nodes.json", &nodes);
    let url = site.nats.url();
    let (file, script) = ("nodes.json", "throws.js");
    let data = format!("text={NASTY}");
    let here = ["place", "--local", "--nodes", file, "--script", script, "--user", NASTY, "--data", &data];
    let remote = ["place", "--user", NASTY, "--data", &data, "--explain"];
    for arguments in [
        &["nodes"][..],
        &["nodes", "--json"],
        &["nodes", "show", "n00"],
        &["nodes", "history", "n00"],
        &["nodes", "history", "n00", "--json"],
        &["cordon", "n00", "--reason", NASTY],
        &["drain", "n00", "--no-wait"],
        &["drain", "n00", "--no-wait", "--json"],
        &["drain", NASTY, "--no-wait"],
        &here,
        &remote,
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_whither"))
            .args(arguments)
            .envs([("WHITHER_NATS", &*url), ("CLICOLOR_FORCE", "1")])
            .current_dir(site.serve.folder())
            .output()
            .unwrap();
        for shown in [output.stdout, output.stderr] {
            must_be_plain(&without_colours(&String::from_utf8(shown).unwrap()));
        }
    }
}
