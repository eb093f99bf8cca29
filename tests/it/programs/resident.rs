//! Resident programs: what they are told, how they are asked, and what becomes of those that misbehave.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::site::{Site, chain, message, outcome};
use crate::support::eventually;
use crate::support::serve::{report, retire};

/// A resident program in Python: keeps nodes and calls `answer(request)` of the text that is put into it, which returns
/// what is printed. Each life writes a line into the file `lives`, each request one into `requests`.
fn program(answer: &str) -> String {
    format!(
        r#"#!/usr/bin/env python3
import json, os, signal, sys, time
open("lives", "a").write("x\n")
nodes = {{}}
def fewest():
    return min(sorted(nodes), key=lambda id: nodes[id]["sessions"])
{answer}
for line in sys.stdin:
    message = json.loads(line)
    if "node" in message:
        nodes[message["node"]["id"]] = message["node"]
    elif "gone" in message:
        nodes.pop(message["gone"], None)
    else:
        open("requests", "a").write(str(message["request"]) + "\n")
        said = answer(message)
        if said is not None:
            print(said if isinstance(said, str) else json.dumps(said), flush=True)
"#
    )
}

const SETTINGS: &str = ", mode = \"resident\"";

impl Site {
    async fn resident(top: &str, settings: &str, answer: &str) -> Self {
        let text = program(answer);
        Self::new(top, &format!("{SETTINGS}{settings}"), &[("p.py", &text)]).await
    }

    fn count(&self, file: &str) -> usize {
        std::fs::read_to_string(self.serve.folder().join(file)).unwrap_or_default().lines().count()
    }

    async fn ask_as(&self, login: &str) -> Value {
        self.ask_with("p.py", json!({"user": {"login": login}})).await
    }
}

#[tokio::test]
async fn it_is_told_of_nodes_once_and_then_of_changes() {
    let answer = "def answer(m):\n    open('told', 'a').write(' '.join(sorted(nodes)) + '\\n')\n    return {'request': m['request'], 'answer': fewest()}";
    let site = Site::resident("[service]\nliveness_s = 600", "", answer).await;
    assert_eq!(outcome(&site.ask("p.py").await), "n00");
    report(&site.client, &[json!({"id": "n00", "nodeData": {"sessions": ["s"]}})]).await;
    eventually("the change", async || (outcome(&site.ask("p.py").await) == "n01").then_some(())).await;
    crate::support::serve::ask(&site.client, "whither.cordon", &json!({"node": "n01"})).await;
    assert_eq!(outcome(&site.ask("p.py").await), "n01", "a login may go to a cordoned node");
    retire(&site.client, "n01").await;
    eventually("its going", async || (outcome(&site.ask("p.py").await) == "n02").then_some(())).await;
    assert_eq!(site.count("lives"), 1);
}

#[tokio::test]
async fn a_chain_that_reserves_shows_it_only_nodes_that_can_take_a_session() {
    let answer = "def answer(m):\n    return {'request': m['request'], 'answer': fewest() if nodes else None}";
    let text = program(answer);
    let chains = chain("p.py", "p.py", SETTINGS) + "reserve = true\n";
    let site = Site::of(&chains, &[("p.py", &text)], 0).await;
    let nodes: Vec<_> =
        (0..6).map(|n| json!({"id": format!("n{n}"), "nodeData": {"sessions": []}, "maxSessions": 5})).collect();
    report(&site.client, &nodes).await;
    let answers = join_all((0..30).map(|_| site.ask("p.py"))).await;
    let mut counts = std::collections::BTreeMap::<_, usize>::new();
    answers.iter().for_each(|answer| *counts.entry(outcome(answer)).or_default() += 1);
    assert_eq!(counts.values().collect::<Vec<_>>(), [&5; 6], "{counts:?}");
    assert_eq!(outcome(&site.ask("p.py").await), "no-node");
}

#[tokio::test]
async fn it_answers_as_scripts_do() {
    let answer = "def answer(m):\n    return {'request': m['request'], **m['input']['data']}";
    let chains = chain("p.py", "p.py", SETTINGS).replace("}]", "}, \"builtin:round-robin\"]");
    let site = Site::of(&chains, &[("p.py", &program(answer))], 4).await;
    for (data, expected) in [
        (json!({"answer": "n02"}), "n02"),
        (json!({"answer": ["n03"]}), "n03"),
        (json!({"answer": [{"id": "n03", "rank": 1}]}), "n03"),
        (json!({}), "n00"),
        (json!({"answer": null}), "n01"),
        (json!({"answer": []}), "no-node"),
        (json!({"answer": {"id": "n02"}}), "bad-verdict"),
        (json!({"answer": true}), "bad-verdict"),
        (json!({"answer": ["nowhere"]}), "bad-verdict"),
        (json!({"answer": "nowhere"}), "unknown-node"),
        (json!({"error": "All GPU nodes are in use"}), "script-error"),
    ] {
        let answer = site.ask_with("p.py", json!({"data": data})).await;
        assert_eq!(outcome(&answer), expected, "{data}: {answer}");
        if expected == "script-error" {
            assert_eq!(message(&answer), "All GPU nodes are in use");
        }
    }
    assert_eq!(site.count("lives"), 1, "no answer of these is nonsense");
}

#[tokio::test]
async fn a_list_of_an_earlier_step_and_its_overlays_come_with_the_request() {
    let answer = "def answer(m):\n    best = max(m['candidates'], key=lambda id: m['overlays'][id]['rank'])\n    return {'request': m['request'], 'answer': best}";
    let rank = ("rank.js", "i => i.nodes.slice(0, 3).map((n, place) => ({...n, rank: (place + 1) % 3}))");
    let chains = chain("p.py", "p.py", SETTINGS).replace("[{", "[\"rank.js\", {");
    let site = Site::of(&chains, &[rank, ("p.py", &program(answer))], 4).await;
    assert_eq!(outcome(&site.ask("p.py").await), "n01");
}

/// Whoever does these things is named and started again; what it was at follows the policy, what was behind does not.
#[tokio::test]
async fn whatever_it_does_wrong_costs_the_request_that_it_was_at() {
    for (bad, expected, words, settings) in [
        ("sys.exit('out of licences')", "script-error", "exited with code 1: out of licences", ""),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "script-error", "signal 11 (SEGV)", ""),
        ("return 'hello'", "script-error", "no answer: `hello`", ""),
        ("return {'request': 1e9}", "script-error", "no answer", ""),
        ("return {'request': 999999}", "script-error", "not the answer to the oldest question", ""),
        ("return {'request': m['request'] + 1}", "script-error", "not the answer to the oldest question", ""),
        ("return '[' * 100", "script-error", "nested deeper", ""),
        ("return 'x' * 100000", "script-limit (output)", "a line of more than 64 KiB", ""),
        (
            "[os.fork() or time.sleep(1000) for _ in range(70)]; time.sleep(1000)",
            "script-limit (crash)",
            "more than 64 processes",
            "",
        ),
        ("time.sleep(1000)", "script-limit (time)", "no answer within 3000 ms", ", wall_ms = 3000"),
    ] {
        let answer = format!(
            "def answer(m):\n    if m['input']['user']['login'] == 'bad':\n        {bad}\n    return {{'request': m['request'], 'answer': fewest()}}"
        );
        let site = Site::resident("", settings, &answer).await;
        assert_eq!(outcome(&site.ask_as("good").await), "n00");
        let logins = ["good", "good", "bad", "good", "good", "good"];
        let answers = join_all(logins.map(|login| site.ask_as(login))).await;
        for (login, answer) in logins.iter().zip(&answers) {
            let expected = if *login == "bad" { expected } else { "n00" };
            assert_eq!(outcome(answer), expected, "{bad}: {answer}");
        }
        assert!(message(&answers[2]).contains(words), "{bad}: {}", message(&answers[2]));
        assert_eq!((site.count("lives"), outcome(&site.ask_as("good").await)), (2, "n00".to_owned()));
        site.serve.logged("p.py").await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_twice_is_out_of_turn() {
    let answer = "def answer(m):\n    said = json.dumps({'request': m['request'], 'answer': fewest()})\n    return said + '\\n' + said if m['input']['user']['login'] == 'bad' else said";
    let site = Site::resident("", "", answer).await;
    assert_eq!(outcome(&site.ask_as("bad").await), "n00", "the first one counts");
    site.serve.logged("not the answer to the oldest question").await;
    eventually("another life", async || (site.count("lives") == 2).then_some(())).await;
    assert_eq!(outcome(&site.ask_as("good").await), "n00");
}

#[tokio::test]
async fn one_that_never_starts_fails_its_requests_at_once_and_is_tried_again() {
    let text = program(
        "if not os.path.exists('ready'): sys.exit('no licence file')\ndef answer(m):\n    return {'request': m['request'], 'answer': fewest()}",
    );
    let site = Site::new("", SETTINGS, &[("p.py", &text)]).await;
    let answer = site.ask("p.py").await;
    assert_eq!(outcome(&answer), "script-error");
    assert!(message(&answer).contains("no licence file"), "{}", message(&answer));
    std::fs::write(site.serve.folder().join("ready"), "").unwrap();
    eventually("the next try", async || (outcome(&site.ask("p.py").await) == "n00").then_some(())).await;
}

/// Whatever it does instead of reading, those who wait for it are answered.
#[tokio::test]
async fn one_that_does_not_read_is_ended_and_named() {
    for (text, wall_ms, expected, words) in [
        ("#!/bin/sh\nexec 0<&-\nexec sleep 1000\n", 10_000, "script-error", "reads no more"),
        ("#!/bin/sh\nexec sleep 1000\n", 500, "script-limit (time)", "no answer within 500 ms"),
    ] {
        // More than a pipe holds, so that it is seen not to read before it is asked.
        let padding = "x".repeat(30_000);
        let nodes: Vec<_> = (0..60).map(|n| json!({"id": format!("p{n:02}"), "metadata": {"x": padding}})).collect();
        let site = Site::new("", &format!(", mode = \"resident\", wall_ms = {wall_ms}"), &[("deaf.sh", text)]).await;
        let bucket = crate::support::serve::bucket(&site.client).await;
        for node in &nodes {
            bucket.put(node["id"].as_str().unwrap(), node.to_string().into()).await.unwrap();
        }
        eventually("the nodes", async || {
            let page = crate::support::serve::ask(&site.client, "whither.nodes", &json!({"limit": 1})).await.body;
            (page["total"] == 64).then_some(())
        })
        .await;
        let answers = join_all((0..3).map(|_| site.ask("deaf.sh"))).await;
        assert!(
            answers.iter().any(|answer| outcome(answer) == expected && message(answer).contains(words)),
            "{answers:?}"
        );
        assert!(answers.iter().all(|answer| answer["error"].is_object()), "{answers:?}");
    }
}

#[tokio::test]
async fn a_reload_ends_it_and_starts_the_new_one() {
    let answer =
        |node: &str| program(&format!("def answer(m):\n    return {{'request': m['request'], 'answer': '{node}'}}"));
    let site = Site::new("", SETTINGS, &[("p.py", &answer("n01"))]).await;
    assert_eq!(outcome(&site.ask("p.py").await), "n01");
    site.serve.write("p.py", &answer("n02"));
    site.serve.signal(rustix::process::Signal::HUP);
    eventually("the new one", async || (outcome(&site.ask("p.py").await) == "n02").then_some(())).await;
    let folder = site.serve.folder().join("p.py").to_string_lossy().into_owned();
    let running = || crate::support::serve::Serve::processes(&folder).len();
    eventually("the end of the old one", async || (running() == 1).then_some(())).await;
}
