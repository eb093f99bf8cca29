//! What a program that is started for a request is told, and when it is run.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::site::{Site, chain, message, outcome};
use crate::support::eventually;
use crate::support::serve::{ask, ask_raw};

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn it_reads_the_document_of_fastx_4_and_all_else_that_scripts_see() {
    let site = Site::new(
        "[service]\ntimezone = \"Europe/Berlin\"",
        "",
        &[("tell.sh", "#!/bin/sh\ncat > document\necho n01\n")],
    )
    .await;
    let request = json!({
        "user": {"login": "ann", "x": 1}, "userGroups": ["cad"], "isAdmin": true, "nodes": "mine", "extra": [1.5],
        "params": {"start": {"command": "xterm"}, "jwt": "secret"},
    });
    assert_eq!(outcome(&site.ask_with("tell.sh", request).await), "n01");
    let text = std::fs::read_to_string(site.serve.folder().join("document")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<_> = document["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["n00", "n01", "n02", "n03"]);
    assert_eq!(document["nodes"][0]["nodeData"]["sessions"], json!([]));
    assert_eq!(document["nodes"][0]["serverId"], "n00");
    assert_eq!(document["params"]["me"], json!({"login": "ann", "x": 1, "sessions": []}));
    assert_eq!((&document["params"]["start"]["command"], &document["params"]["jwt"]), (&json!("xterm"), &Value::Null));
    assert_eq!((&document["user"]["login"], &document["userGroups"]), (&json!("ann"), &json!(["cad"])));
    assert_eq!(
        (&document["action"], &document["isAdmin"], &document["extra"]),
        (&json!("tell.sh"), &json!(true), &json!([1.5]))
    );
    assert_eq!((&document["data"]["command"], &document["sequence"]), (&json!("xterm"), &json!(0)));
    assert!([60, 120].contains(&document["time"]["offset_min"].as_i64().unwrap()));
    assert_eq!(document["now"], document["time"]["ms"]);
    assert!(!text.contains("secret"));
}

#[tokio::test]
async fn its_surroundings_are_known() {
    let program = "#!/bin/sh\nenv | sort > environment\npwd > folder\nls /proc/self/fd > descriptors\n\
                   ps -o pgid= -p $$ > group 2>/dev/null; echo $$ > pid\necho n01\n";
    let top = "[service]\ntimezone = \"Asia/Tokyo\"\nenvironment = [\"CARGO_PKG_NAME\", \"NO_SUCH_VARIABLE\"]";
    let site = Site::new(top, "", &[("tell.sh", program)]).await;
    assert_eq!(outcome(&site.ask("tell.sh").await), "n01");
    let folder = site.serve.folder();
    let names: Vec<_> =
        lines(&folder.join("environment")).iter().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    // The shell adds three of its own.
    let ours: Vec<_> = names.iter().filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(&name.as_str())).collect();
    assert_eq!(ours, ["CARGO_PKG_NAME", "HOME", "PATH", "TZ", "WHITHER_RUN"]);
    assert!(lines(&folder.join("environment")).contains(&"TZ=Asia/Tokyo".to_owned()));
    assert_eq!(Path::new(&lines(&folder.join("folder"))[0]), folder.canonicalize().unwrap());
    // `ls` opens the folder that it lists.
    assert_eq!(lines(&folder.join("descriptors")), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn it_runs_once_for_a_decision_and_never_to_explain() {
    let program = ("count.sh", "#!/bin/sh\ncat >/dev/null\necho x >> runs\necho '[\"n01\", \"n02\"]'\n");
    let chains = "[chain.\"a\"]\nsteps = [\"log.js\", \"count.sh\", \"builtin:fewest-sessions\"]\n";
    let site = Site::of(chains, &[program, ("log.js", "i => i.nodes.slice(1)")], 4).await;
    let runs = || lines(&site.serve.folder().join("runs")).len();
    let explained = ask(&site.client, "whither.explain", &json!({"action": "a"})).await.body;
    assert_eq!((explained["steps"][1]["verdict"].as_str(), runs()), (Some("not run to explain"), 0));
    let answers = join_all((0..20).map(|_| site.ask("a"))).await;
    assert!(answers.iter().all(|answer| ["n01", "n02"].contains(&outcome(answer).as_str())), "{answers:?}");
    assert_eq!(runs(), 20);
    // A deadline more than an hour off comes from a wrong clock, and counts for programs as little as for scripts.
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Whither-Deadline", i64::MAX.to_string());
    ask_raw(&site.client, "whither.place", json!({"action": "a"}).to_string().into_bytes(), headers).await;
    assert_eq!(runs(), 21, "it was run all the same");
}

/// Nodes of one place each: most choices are refused when they are committed, because another one was faster.
#[tokio::test]
async fn it_is_not_started_for_a_request_whose_deadline_has_passed() {
    let text = "#!/bin/sh\necho run >> runs\nuntil [ -e go ]; do sleep 0.02; done\necho n02\n";
    let site = Site::new("[limits]\nexecutables = 1", "", &[("slow.sh", text)]).await;
    let file = |name: &str| site.serve.folder().join(name);
    let late = async {
        eventually("the first program", async || file("runs").exists().then_some(())).await;
        let deadline = SystemTime::now() + Duration::from_secs(1);
        let mut headers = HeaderMap::new();
        headers.insert("Whither-Deadline", deadline.duration_since(UNIX_EPOCH).unwrap().as_millis().to_string());
        let body = json!({"action": "slow.sh"}).to_string().into_bytes();
        let passes = async {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            std::fs::write(file("go"), "").unwrap();
        };
        tokio::join!(ask_raw(&site.client, "whither.place", body, headers), passes).0
    };
    let (first, late) = tokio::join!(site.ask("slow.sh"), late);
    assert_eq!(outcome(&first), "n02");
    assert_eq!(outcome(&late.body), "overloaded", "{:?}", late.body);
    assert_eq!(std::fs::read_to_string(file("runs")).unwrap(), "run\n");
}

#[tokio::test]
async fn a_refused_commit_asks_again_only_the_program_that_chose() {
    let list = "#!/bin/sh\ncat >/dev/null\necho x >> lists\n";
    let choose = "#!/usr/bin/env python3\nimport json, sys\nid = json.load(sys.stdin)['nodes'][0]['id']\n\
                  open('choices', 'a').write(id + '\\n')\nprint(id)\n";
    let chains = "[service]\nretries = 50\n[chain.\"a\"]\nreserve = true\nsteps = [\n\
                  { script = \"list.sh\", parallel = 8 }, { script = \"choose.py\", parallel = 8 }]\n\
                  [chain.\"b\"]\nreserve = true\nsteps = [\"list.sh\", \"builtin:fewest-sessions\"]\n";
    let site = Site::of(chains, &[("list.sh", list), ("choose.py", choose)], 0).await;
    let nodes: Vec<_> = (10..20)
        .map(|number| json!({"id": format!("n{number}"), "nodeData": {"sessions": []}, "maxSessions": 1}))
        .collect();
    crate::support::serve::report(&site.client, &nodes).await;
    let answers = join_all((0..8).map(|_| site.ask("a"))).await;
    let mut placed: Vec<_> = answers.iter().map(outcome).collect();
    placed.sort();
    placed.dedup();
    assert_eq!(placed.len(), 8, "each on a node of its own: {answers:?}");
    let folder = site.serve.folder();
    assert_eq!(lines(&folder.join("lists")).len(), 8, "what chose nothing is not asked again");
    assert!(lines(&folder.join("choices")).len() > 8, "what chose a node that was taken is");
    let rest = join_all((0..4).map(|_| site.ask("b"))).await;
    let placed = rest.iter().filter(|answer| answer["node"].is_string()).count();
    assert_eq!((placed, lines(&folder.join("lists")).len()), (2, 12), "{rest:?}");
}

#[tokio::test]
async fn overlays_and_narrowed_lists_reach_it_and_what_it_adds_reaches_the_next() {
    let rank = ("rank.js", "i => i.nodes.slice(1).reverse().map(n => ({...n, rank: n.id}))");
    let double = (
        "double.py",
        "#!/usr/bin/env python3\nimport json, sys\nnodes = json.load(sys.stdin)['nodes'][:2]\n\
         print(json.dumps([{'id': n['id'], 'rank': n['rank'], 'twice': n['rank'] * 2} for n in nodes]))\n",
    );
    let read = (
        "read.js",
        "i => { console.log(JSON.stringify(i.nodes.map(n => [n.id, n.rank, n.twice]))); return i.nodes[1].id }",
    );
    let chains = "[chain.\"a\"]\nsteps = [\"rank.js\", \"double.py\", \"read.js\"]\n";
    let site = Site::of(chains, &[rank, double, read], 4).await;
    assert_eq!(outcome(&site.ask("a").await), "n02");
    site.serve.logged(r#"[["n03","n03","n03n03"],["n02""#).await;
}

#[tokio::test]
async fn what_it_says_on_standard_error_is_logged_and_cut() {
    let program = "#!/bin/sh\nfor n in 1 2 3 4 5; do echo \"word $n\" >&2; done\necho n01\n";
    let site = Site::new("[limits]\nlog_lines = 3", "", &[("talk.sh", program)]).await;
    assert_eq!(outcome(&site.ask("talk.sh").await), "n01");
    site.serve.logged("word 5").await;
    assert!(!site.serve.log().contains("word 2"), "the last ones are kept");
}

#[tokio::test]
async fn a_reload_changes_programs_and_what_was_asked_is_answered_by_the_old_ones() {
    let slow = "#!/bin/sh\nuntil [ -e go ]; do sleep 0.02; done\necho x >> runs\necho n01\n";
    let site = Site::new("", "", &[("slow.sh", slow), ("other.sh", "#!/bin/sh\necho n02\n")]).await;
    let waiting = site.ask("slow.sh");
    let reload = async {
        site.serve.logged("answering").await;
        site.serve.configure(&site.nats, &chain("slow.sh", "other.sh", ""));
        site.serve.signal(rustix::process::Signal::HUP);
        site.serve.logged("the new configuration is in force").await;
        assert_eq!(outcome(&site.ask("slow.sh").await), "n02");
        std::fs::write(site.serve.folder().join("go"), "").unwrap();
    };
    let (answer, ()) = futures_util::join!(waiting, reload);
    assert_eq!(outcome(&answer), "n01", "{}", message(&answer));
    assert_eq!(lines(&site.serve.folder().join("runs")).len(), 1);
}

/// Nobody can go on with a decision whose chains are gone, and to begin anew would run its program twice.
#[tokio::test]
async fn a_reload_and_the_death_of_the_old_worker_run_nothing_twice() {
    let slow = "#!/bin/sh\nuntil [ -e go ]; do sleep 0.02; done\necho x >> runs\necho n01\n";
    let site = Site::new("", "", &[("slow.sh", slow), ("other.sh", "#!/bin/sh\necho n02\n")]).await;
    let waiting = site.ask("slow.sh");
    let reload = async {
        site.serve.logged("answering").await;
        let runner = site.serve.runner();
        let old: Vec<_> = site.serve.children().into_iter().filter(|child| Some(*child) != runner).collect();
        site.serve.configure(&site.nats, &chain("slow.sh", "other.sh", ""));
        site.serve.signal(rustix::process::Signal::HUP);
        site.serve.logged("the new configuration is in force").await;
        old.iter().for_each(|worker| {
            rustix::process::kill_process(*worker, rustix::process::Signal::KILL).unwrap_or_default()
        });
        site.serve.logged("another one goes on").await;
        std::fs::write(site.serve.folder().join("go"), "").unwrap();
    };
    let (answer, ()) = futures_util::join!(waiting, reload);
    assert!(message(&answer).contains("the configuration changed"), "{answer}");
    assert_eq!(lines(&site.serve.folder().join("runs")).len(), 1);
    assert_eq!(outcome(&site.ask("slow.sh").await), "n02");
}

#[tokio::test]
async fn a_stop_answers_what_waits_for_a_program() {
    let slow = "#!/bin/sh\nuntil [ -e go ]; do sleep 0.02; done\necho n01\n";
    let mut site = Site::new("", "", &[("slow.sh", slow)]).await;
    let inbox = site.client.new_inbox();
    let mut replies = site.client.subscribe(inbox.clone()).await.unwrap();
    let asked = json!({"action": "slow.sh"}).to_string();
    site.client.publish_with_reply("whither.place", inbox, asked.into()).await.unwrap();
    site.client.flush().await.unwrap();
    ask(&site.client, "whither.nodes", &json!({})).await;
    site.serve.signal(rustix::process::Signal::TERM);
    site.serve.logged("stopping").await;
    std::fs::write(site.serve.folder().join("go"), "").unwrap();
    let reply = futures_util::StreamExt::next(&mut replies).await.unwrap();
    assert!(String::from_utf8_lossy(&reply.payload).contains("n01"));
    assert_eq!(site.serve.ended().await, Some(0));
}
