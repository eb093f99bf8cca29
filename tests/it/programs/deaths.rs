//! kill -9 of the runner, of a resident program and of workers while programs run: every request is answered once, no
//! program runs twice for one decision, and nothing is left behind.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::site::{Site, chain, outcome};
use crate::support::serve::{Serve, storm};
use crate::support::{eventually, state, stop};

/// Notes the decision that it runs for in the file `runs`, whoever else does so at the same time.
fn once(mark: &str) -> String {
    format!("#!/bin/sh\nsed 's/.*\"number\":\\([0-9]*\\).*/\\1/' >> runs\nsleep 0.0{mark}\necho n01\n")
}

const RESIDENT: &str = r#"#!/usr/bin/env python3
import json, os, sys
runs = os.open("runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for line in sys.stdin:
    message = json.loads(line)
    if "request" in message:
        os.write(runs, ("%s\n" % message["input"]["data"]["number"]).encode())
        print(json.dumps({"request": message["request"], "answer": "n01"}), flush=True)
"#;

fn body(number: usize) -> Value {
    json!({"action": "a", "data": {"number": number}})
}

/// Each was answered once and each program ran at most once for it; how many were placed.
fn check(site: &Site, answered: &BTreeMap<usize, Vec<Value>>, failure: &str) -> usize {
    let runs = std::fs::read_to_string(site.serve.folder().join("runs")).unwrap();
    let mut counts = BTreeMap::<usize, usize>::new();
    runs.lines().for_each(|line| *counts.entry(line.parse().unwrap()).or_default() += 1);
    assert!(counts.values().all(|count| *count == 1), "some ran twice: {counts:?}");
    let mut placed = 0;
    for (number, replies) in answered {
        assert_eq!(replies.len(), 1, "{number}: {replies:?}");
        match outcome(&replies[0]).as_str() {
            "n01" => {
                placed += 1;
                assert!(counts.contains_key(number), "{number} was placed by nobody");
            }
            other => assert_eq!(other, failure, "{}", replies[0]),
        }
    }
    placed
}

async fn kill_runners(site: &Site, times: usize) {
    for _ in 0..times {
        let runs = || std::fs::read_to_string(site.serve.folder().join("runs")).unwrap_or_default().lines().count();
        let before = runs();
        eventually("a program that runs", async || (runs() > before + 3).then_some(())).await;
        // Looked for only now: a child that a killed runner had forked and that is not yet its program falls to the
        // service and bears the runner's command line for that moment.
        let runner = eventually("a runner", async || site.serve.runner()).await;
        kill_process(runner, Signal::KILL).unwrap();
        eventually("the next runner", async || site.serve.runner().filter(|next| *next != runner)).await;
    }
}

#[tokio::test]
async fn the_runner_dies_while_programs_run() {
    let mark = format!("99{}", std::process::id());
    let site = Site::of(&chain("a", "once.sh", ""), &[("once.sh", &once(&mark))], 4).await;
    let answered = storm(&site.client, "whither.place", 400, body, async || kill_runners(&site, 3).await).await;
    let placed = check(&site, &answered, "script-limit (crash)");
    // At each death no more programs run than may.
    assert!(placed >= 400 - 3 * 32, "{placed}");
    site.nothing_left(&format!("0.0{mark}")).await;
    site.serve.logged("another one is started").await;
}

#[tokio::test]
async fn the_runner_dies_while_a_resident_program_answers() {
    let site = Site::of(&chain("a", "p.py", ", mode = \"resident\""), &[("p.py", RESIDENT)], 4).await;
    let answered = storm(&site.client, "whither.place", 3000, body, async || kill_runners(&site, 2).await).await;
    let placed = check(&site, &answered, "script-limit (crash)");
    assert!(placed >= 3000 - 2 * 64, "{placed}");
    let folder = site.serve.folder().join("p.py").to_string_lossy().into_owned();
    eventually("one program alone", async || (Serve::processes(&folder).len() == 1).then_some(())).await;
}

#[tokio::test]
async fn a_resident_program_dies_while_it_answers() {
    let site = Site::of(&chain("a", "p.py", ", mode = \"resident\""), &[("p.py", RESIDENT)], 4).await;
    let folder = site.serve.folder().join("p.py").to_string_lossy().into_owned();
    let kill = async || {
        for _ in 0..3 {
            let program = eventually("the program", async || Serve::processes(&folder).first().copied()).await;
            kill_process(Pid::from_raw(i32::try_from(program).unwrap()).unwrap(), Signal::KILL).unwrap();
            eventually("its next life", async || {
                Serve::processes(&folder).first().copied().filter(|next| *next != program)
            })
            .await;
        }
    };
    let answered = storm(&site.client, "whither.place", 3000, body, kill).await;
    let mut failed = 0;
    for replies in answered.values() {
        assert_eq!(replies.len(), 1);
        match outcome(&replies[0]).as_str() {
            "n01" => {}
            "script-error" => failed += 1,
            other => panic!("{other}: {}", replies[0]),
        }
    }
    assert!(failed <= 3, "one at each death, at most: {failed}");
}

#[tokio::test]
async fn workers_die_while_programs_run() {
    let mark = format!("98{}", std::process::id());
    let chains = "[chain.a]\nsteps = [\"before.js\", \"once.sh\", \"after.js\"]\n";
    let scripts =
        [("once.sh", &*once(&mark)), ("before.js", "i => i.nodes.slice(1)"), ("after.js", "i => i.nodes[0].id")];
    let site = Site::of(chains, &scripts, 4).await;
    let kill = async || {
        for _ in 0..5 {
            let runner = site.serve.runner();
            let workers: Vec<_> = site.serve.children().into_iter().filter(|child| Some(*child) != runner).collect();
            workers.iter().for_each(|worker| kill_process(*worker, Signal::KILL).unwrap_or_default());
            eventually("other workers", async || {
                let now = site.serve.children();
                (now.len() > 1 && workers.iter().all(|worker| !now.contains(worker))).then_some(())
            })
            .await;
        }
    };
    let answered = storm(&site.client, "whither.place", 300, body, kill).await;
    assert_eq!(check(&site, &answered, "nobody fails"), 300);
}

/// A runner that somebody stopped says nothing and dies of nothing: what waits for it goes to another one.
#[tokio::test]
async fn a_runner_that_is_stopped_is_replaced() {
    let site = Site::new("[limits]\nexecutable_ms = 100", "", &[("good.sh", "#!/bin/sh\necho n01\n")]).await;
    let runner = eventually("the runner", async || site.serve.runner()).await;
    stop(runner).await;
    assert_eq!(outcome(&site.ask("good.sh").await), "n01");
    assert_ne!(site.serve.runner(), Some(runner));
}

/// Somebody stopped the runner and a program, and then their service is killed: both wake up to their end.
#[tokio::test]
async fn a_runner_that_is_stopped_ends_with_its_service() {
    let mark = format!("97{}", std::process::id());
    // One process stays in the program's group, the other one leaves it.
    let program = format!("#!/bin/sh\nsetsid sleep 1000.{mark} &\nsleep 1000.{mark}\n");
    let site = Site::of(&chain("a", "long.sh", ""), &[("long.sh", &program)], 4).await;
    site.client.publish_with_reply("whither.place", "nobody", body(0).to_string().into()).await.unwrap();
    let word = format!("1000.{mark}");
    let sleepers = eventually("both sleep", async || Some(Serve::processes(&word)).filter(|all| all.len() == 2)).await;
    let runner = eventually("the runner", async || site.serve.runner()).await;
    let pid = |id: u32| Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    for process in sleepers.into_iter().map(pid).chain([runner]) {
        stop(process).await;
    }
    site.serve.signal(Signal::KILL);
    site.nothing_left(&word).await;
    // Whoever it fell to may not have reaped it yet.
    eventually("the runner's end", async || state(runner).is_none_or(|state| state == 'Z').then_some(())).await;
}
