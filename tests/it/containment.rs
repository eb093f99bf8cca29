//! What bad scripts cost in a running service: their own answer, and nobody else's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::nats::Nats;
use crate::support::serve::{self, Serve, ask, ask_raw, report, storm};
use crate::support::shell::WHITHER;
use crate::support::{PATIENCE, eventually, stop};
use async_nats::{Client, HeaderMap};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use whither::chain::{ChainSet, ChainSpec};
use whither::ipc::Orders;
use whither::model::{Arrangement, Change, Report};
use whither::worker::{Worker, WorkerAudience, WorkerCommand, WorkerEvent, WorkerInit, WorkerLimits};

const FEWEST: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";
const HANG: (&str, &str) = ("hang.js", "i => { if (/^bad/.test(i.user.login)) for (;;) ; return 'n01' }");

/// A site whose scripts are interpreted: a loop in compiled code is stopped from inside, and costs no worker.
async fn site(chains: &str, scripts: &[(&str, &str)], nodes: usize) -> (Nats, Serve, Client) {
    let interpreted = match chains.contains("[limits]\n") {
        true => chains.replace("[limits]\n", "[limits]\nverify_every = 0\n"),
        false => format!("{chains}\n[limits]\nverify_every = 0\n"),
    };
    serve::site(&interpreted, scripts, nodes).await
}

fn metric(serve: &Serve, name: &str) -> u64 {
    let text = serve.get("/metrics").1;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn bad() -> Value {
    json!({"action": "user/login", "user": {"login": "bad"}})
}

#[tokio::test]
async fn a_chain_that_hangs_keeps_no_other_chain_waiting() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nsteps = [{{ script = \"hang.js\", cpu_ms = 60000 }}]\n");
    let (_nats, _serve, client) = site(&chains, &[HANG], 2).await;
    let body = bad();
    let mut hanging = Box::pin(ask(&client, "whither.place", &body));
    let start = json!({});
    for _ in 0..20 {
        tokio::select! {
            placed = ask(&client, "whither.place", &start) => assert!(placed.body["node"].is_string()),
            early = &mut hanging => panic!("it cannot have an answer yet: {early:?}"),
        }
    }
}

#[tokio::test]
async fn what_its_engine_stops_costs_no_worker() {
    let chains = "[limits]\nscript_ms = 50\n[chain.\"user/login\"]\nsteps = [\"hang.rhai\"]\n";
    let hang = "fn balance(input) { if input.user.login == `bad` { loop { } } `n01` }";
    let (_nats, serve, client) = site(chains, &[("hang.rhai", hang)], 2).await;
    let mut before = None;
    for _ in 0..5 {
        let told = ask(&client, "whither.place", &json!({"action": "user/login"})).await.body;
        assert_eq!(told["node"], "n01");
        let workers = serve.children();
        assert!(before.get_or_insert(workers.clone()).iter().all(|worker| workers.contains(worker)), "{workers:?}");
        let told = ask(&client, "whither.place", &bad()).await.body;
        assert_eq!((&told["error"]["name"], &told["error"]["limit"]), (&json!("script-limit"), &json!("time")));
        assert_eq!(told["error"]["step"], "hang.rhai");
    }
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 0);
}

#[tokio::test]
async fn all_workers_can_die_at_once_and_no_request_notices() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nsteps = [\"hang.js\"]\n");
    let (_nats, serve, client) = site(&chains, &[HANG], 20).await;
    let kill_all = async || {
        for _ in 0..3 {
            let workers = serve.children();
            assert!(workers.len() >= 2, "{workers:?}");
            workers.iter().for_each(|worker| kill_process(*worker, Signal::KILL).unwrap_or_default());
            eventually("other workers", async || {
                let now = serve.children();
                (now.len() >= 2 && now.iter().all(|worker| !workers.contains(worker))).then_some(())
            })
            .await;
        }
    };
    let (starts, logins) = tokio::join!(
        storm(&client, "whither.place", 3000, |_| json!({}), kill_all),
        storm(&client, "whither.place", 500, |_| json!({"action": "user/login"}), async || {}),
    );
    assert!(starts.values().chain(logins.values()).all(|replies| replies.len() == 1));
    assert!(starts.values().flatten().all(|reply| reply["node"].is_string()));
    assert!(logins.values().flatten().all(|reply| reply["node"] == "n01"));
}

#[tokio::test]
async fn the_third_kill_is_the_last_and_another_source_is_tried_at_once() {
    let chains = "[limits]\nscript_ms = 50\nquarantine_pause_s = 600\n[chain.\"user/login\"]\nsteps = [\"hang.js\", \"builtin:fewest-sessions\"]\n";
    let (nats, serve, client) = site(chains, &[HANG], 2).await;
    for number in 0..3 {
        let bad = json!({"action": "user/login", "user": {"login": format!("bad{number}")}});
        let told = ask(&client, "whither.place", &bad).await.body;
        assert_eq!((&told["error"]["name"], &told["error"]["limit"]), (&json!("script-limit"), &json!("time")));
        assert!(!told["error"]["message"].as_str().unwrap().contains("quarantine"), "{told}");
    }
    eventually("two dead workers for each", async || {
        (metric(&serve, "whither_worker_deaths_total") == 6).then_some(())
    })
    .await;
    for login in ["bad", "good"] {
        let told = ask(&client, "whither.place", &json!({"action": "user/login", "user": {"login": login}})).await.body;
        let error = &told["error"];
        assert_eq!((&error["name"], &error["limit"]), (&json!("script-limit"), &json!("time")));
        assert_eq!(error["step"], "hang.js");
        assert!(error["message"].as_str().unwrap().contains("hang.js is in quarantine for 600 s"), "{told}");
    }
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 6, "it is not run any more");
    assert_eq!(
        metric(&serve, "whither_suspicions_total{script=\"hang.js\",limit=\"time\"}"),
        3,
        "each was tried twice"
    );
    assert_eq!(metric(&serve, "whither_quarantined{script=\"hang.js\"}"), 1);
    assert_eq!(metric(&serve, "whither_script_limits_total{script=\"hang.js\",limit=\"time\"}"), 3);
    let (status, page) = serve.readyz();
    assert!(status == 200 && page.contains("hang.js is in quarantine"), "{page}");
    serve.logged("in quarantine").await;

    serve.write("hang.js", "i => 'n00'");
    serve.configure(&nats, chains);
    serve.signal(Signal::HUP);
    eventually("the new source decides", async || {
        let told = ask(&client, "whither.place", &bad()).await.body;
        (told["node"] == "n00").then_some(())
    })
    .await;
    assert_eq!(metric(&serve, "whither_quarantined{script=\"hang.js\"}"), 0);
    assert!(!serve.readyz().1.contains("quarantine"));
}

#[tokio::test]
async fn a_quarantine_ends_and_a_single_kill_brings_it_back() {
    let chains = "[limits]\nscript_ms = 50\nquarantine_kills = 1\nquarantine_pause_s = 1\n\
                  [chain.\"user/login\"]\nsteps = [{ script = \"hang.js\", on_limit = \"skip\" }, \"builtin:fewest-sessions\"]\n";
    let (_nats, serve, client) = site(chains, &[HANG], 2).await;
    let good = json!({"action": "user/login", "user": {"login": "good"}});
    let told = ask(&client, "whither.place", &bad()).await.body;
    assert_eq!(told["decided_by"], "builtin:fewest-sessions", "{told}");
    serve.logged("out of quarantine").await;
    assert_eq!(ask(&client, "whither.place", &good).await.body["decided_by"], "hang.js");
    assert_eq!(ask(&client, "whither.place", &bad()).await.body["decided_by"], "builtin:fewest-sessions");
    serve.logged("in quarantine for 2 s").await; // The second one is longer.
}

#[tokio::test]
async fn without_quarantine_each_request_pays_for_itself() {
    let chains = "[limits]\nscript_ms = 50\nquarantine_kills = 0\n[chain.\"user/login\"]\nsteps = [\"hang.js\"]\n";
    let (_nats, serve, client) = site(chains, &[HANG], 2).await;
    for _ in 0..5 {
        assert_eq!(ask(&client, "whither.place", &bad()).await.body["error"]["limit"], "time");
        let good = json!({"action": "user/login", "user": {"login": "good"}});
        assert_eq!(ask(&client, "whither.place", &good).await.body["node"], "n01");
    }
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 10, "each is tried again alone");
}

#[tokio::test]
async fn a_pure_function_that_hangs_on_a_node_costs_that_node_and_two_workers() {
    let score = "function score(node) { if (node.id === 'n03') for (;;) ; return node.id === 'n02' ? 2 : 1 }";
    let chains = "[chain.\"user/login\"]\nsteps = [\"score.js\"]\n";
    let (_nats, serve, client) = site(chains, &[("score.js", score)], 6).await;
    let login = json!({"action": "user/login"});
    let placed = storm(&client, "whither.place", 300, |_| json!({"action": "user/login"}), async || {}).await;
    assert!(placed.values().flatten().all(|reply| reply["node"] == "n02"));
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 2);
    let explained = ask(&client, "whither.explain", &login).await.body;
    let lost = &explained["steps"][0]["lost"]["script-limit"];
    assert_eq!(lost["nodes"], json!(["n03"]), "{explained}");
    assert!(lost["message"].as_str().unwrap().contains("CPU time on node `n03`"), "{explained}");
    assert!(serve.readyz().1.contains("score.js is not asked about `n03`"), "{}", serve.readyz().1);
}

#[tokio::test]
async fn a_pure_function_that_hangs_on_all_nodes_ends_few_workers() {
    let score = "function score(node) { for (;;) ; }";
    let (_nats, serve, client) =
        site("[chain.\"user/login\"]\nsteps = [\"score.js\"]\n", &[("score.js", score)], 20).await;
    let login = |_| json!({"action": "user/login"});
    let replies = storm(&client, "whither.place", 100, login, async || {}).await;
    assert!(replies.values().flatten().all(|reply| reply["error"]["name"] == "script-limit"));
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 10, "then it is in quarantine");
    assert_eq!(metric(&serve, "whither_script_limits_total{script=\"score.js\",limit=\"time\"}"), 5, "a quarter of 20");
}

#[tokio::test]
async fn a_few_nodes_that_no_script_can_bear_cost_nobody_else_anything() {
    let score = "function score(node) { if (node.metadata.evil) for (;;) ; return node.id === 'n39' ? 2 : 1 }";
    let chains = "[chain.\"user/login\"]\nsteps = [\"score.js\"]\n";
    let (_nats, serve, client) = site(chains, &[("score.js", score)], 40).await;
    let evil: Vec<_> =
        (0..5).map(|number| json!({"id": format!("n{number:02}"), "metadata": {"evil": "yes"}})).collect();
    report(&client, &evil).await;
    let placed = storm(&client, "whither.place", 200, |_| json!({"action": "user/login"}), async || {}).await;
    assert!(placed.values().flatten().all(|reply| reply["node"] == "n39"), "{placed:?}");
    eventually("the five nodes are named", async || {
        let page = serve.readyz().1;
        (0..5).all(|number| page.contains(&format!("is not asked about `n{number:02}`"))).then_some(())
    })
    .await;
    assert_eq!(metric(&serve, "whither_quarantined{script=\"score.js\"}"), 0);
}

#[tokio::test]
async fn a_user_whose_requests_poison_a_script_is_refused_and_nobody_else() {
    let chains = "[limits]\nscript_ms = 50\n[chain.\"user/login\"]\nsteps = [\"hang.js\"]\n";
    let (_nats, serve, client) = site(chains, &[HANG], 2).await;
    for _ in 0..11 {
        assert_eq!(ask(&client, "whither.place", &bad()).await.body["error"]["name"], "script-limit");
        let good = json!({"action": "user/login", "user": {"login": "good"}});
        assert_eq!(ask(&client, "whither.place", &good).await.body["node"], "n01");
    }
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 6, "the script is not run for that user any more");
    let told = ask(&client, "whither.place", &bad()).await.body;
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("hang.js is not run for `bad` for 10 s") && message.contains("for this user"), "{told}");
    assert!(serve.readyz().1.contains("hang.js is not run for `bad`"), "{}", serve.readyz().1);
}

/// A worker brings what it keeps up to date before anybody asks, where thousands of nodes are due.
#[tokio::test]
async fn a_pure_function_that_hangs_while_nobody_asks_costs_that_node_and_two_workers() {
    let score = "function score(node) { if (node.id === 'n00') for (;;) ; return node.id === 'n02' ? 2 : 1 }";
    let chains = "[chain.\"user/login\"]\nsteps = [\"score.js\"]\n";
    let (_nats, serve, client) = site(chains, &[("score.js", score)], 2_500).await;
    eventually("the node is not asked about", async || {
        serve.readyz().1.contains("score.js is not asked about `n00`").then_some(())
    })
    .await;
    assert_eq!(metric(&serve, "whither_suspicions_total{script=\"score.js\",limit=\"time\"}"), 1);
    assert_eq!(metric(&serve, "whither_script_limits_total{script=\"score.js\",limit=\"time\"}"), 1);
    let placed = ask(&client, "whither.place", &json!({"action": "user/login"})).await.body;
    assert_eq!(placed["node"], "n02", "{placed}");
}

#[tokio::test]
async fn a_worker_is_replaced_after_enough_requests_and_none_notices() {
    let chains = format!("[limits]\nrecycle_requests = 100\n{FEWEST}");
    let (_nats, serve, client) = site(&chains, &[], 10).await;
    let before = eventually("a worker and a spare", async || {
        let workers = serve.children();
        (workers.len() == 2).then_some(workers)
    })
    .await;
    for _ in 0..3 {
        let recycled = metric(&serve, "whither_recycled_workers_total");
        let placed = storm(&client, "whither.place", 500, |_| json!({}), async || {}).await;
        assert!(placed.values().all(|replies| replies.len() == 1 && replies[0]["node"].is_string()));
        eventually("another worker", async || {
            (metric(&serve, "whither_recycled_workers_total") > recycled).then_some(())
        })
        .await;
    }
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 0);
    eventually("as many workers as before", async || (serve.children().len() == before.len()).then_some(())).await;
    assert!(serve.children().iter().any(|worker| !before.contains(worker)));
}

#[tokio::test]
async fn a_chain_may_have_workers_of_its_own() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nworkers = 3\nsteps = [\"hang.js\"]\n");
    let (_nats, serve, client) = site(&chains, &[HANG], 4).await;
    eventually("one for the starts, three for the logins, a spare", async || {
        (serve.children().len() == 5).then_some(())
    })
    .await;
    let replies = storm(&client, "whither.place", 300, |_| json!({"action": "user/login"}), async || {}).await;
    assert!(replies.values().all(|replies| replies.len() == 1 && replies[0]["node"] == "n01"));
    // A request that hangs holds one of the three; the others go on.
    let (bad, good) = (bad(), json!({"action": "user/login"}));
    let mut hanging = Box::pin(ask(&client, "whither.place", &bad));
    for _ in 0..5 {
        tokio::select! {
            placed = ask(&client, "whither.place", &good) => {
                assert_eq!(placed.body["node"], "n01");
            }
            told = &mut hanging => {
                assert_eq!(told.body["error"]["limit"], "time");
                break;
            }
        }
    }
}

#[tokio::test]
async fn past_its_queue_a_chain_says_so_at_once_and_others_do_not() {
    let chains = format!(
        "[limits]\nqueue = 5\n{FEWEST}[chain.\"user/login\"]\nsteps = [{{ script = \"hang.js\", cpu_ms = 60000 }}]\n"
    );
    let (_nats, _serve, client) = site(&chains, &[HANG], 2).await;
    for number in 0..5 {
        let reply_to = format!("nobody.{number}");
        client.publish_with_reply("whither.place", reply_to, bad().to_string().into()).await.unwrap();
    }
    // One connection's messages are taken in order, so the five are there before this one.
    let told = ask(&client, "whither.place", &bad()).await;
    assert_eq!((told.code.as_deref(), &told.body["error"]["name"]), (Some("429"), &json!("overloaded")));
    assert!(ask(&client, "whither.place", &json!({})).await.body["node"].is_string());
}

#[tokio::test]
async fn large_requests_are_bounded_in_bytes_and_keep_no_small_one_out() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nsteps = [{{ script = \"hang.js\", cpu_ms = 60000 }}]\n");
    let (_nats, serve, client) = site(&chains, &[HANG], 2).await;
    let mut large = bad();
    large["data"] = json!({"text": "x".repeat(900_000)});
    for number in 0..30 {
        let reply_to = format!("nobody.{number}");
        client.publish_with_reply("whither.place", reply_to, large.to_string().into()).await.unwrap();
    }
    let told = ask(&client, "whither.place", &large).await;
    assert_eq!((told.code.as_deref(), &told.body["error"]["name"]), (Some("429"), &json!("overloaded")));
    assert!(told.body["error"]["message"].as_str().unwrap().starts_with("the service holds 32 MiB of requests"));
    assert!(ask(&client, "whither.place", &json!({})).await.body["node"].is_string());
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 0);
}

#[tokio::test]
async fn one_user_does_not_fill_the_queue() {
    let chains = "[limits]\nqueue = 10\n[chain.\"user/login\"]\nsteps = [{ script = \"hang.js\", cpu_ms = 60000 }]\n";
    let (_nats, serve, client) = site(chains, &[HANG], 2).await;
    for number in 0..20 {
        let reply_to = format!("nobody.{number}");
        client.publish_with_reply("whither.place", reply_to, bad().to_string().into()).await.unwrap();
    }
    let told = ask(&client, "whither.place", &bad()).await;
    assert_eq!(told.code.as_deref(), Some("429"));
    let words = told.body["error"]["message"].as_str().unwrap();
    assert!(words.starts_with("8 of the 8 requests of `user/login` that wait already are this user's"), "{words}");
    // Somebody else is taken in, though the script that hangs keeps her from her turn.
    let other = json!({"action": "user/login", "user": {"login": "ann"}}).to_string();
    client.publish_with_reply("whither.place", "nobody", other.into()).await.unwrap();
    eventually("nine are unanswered", async || (metric(&serve, "whither_unanswered") == 9).then_some(())).await;
}

#[tokio::test]
async fn only_so_many_wait_for_the_answer_to_one_id() {
    let chains = "[chain.\"session/start\"]\nsteps = [{ script = \"hang.js\", cpu_ms = 60000 }]\n";
    let (_nats, _serve, client) = site(chains, &[HANG], 2).await;
    let same = json!({"id": "again", "user": {"login": "bad"}});
    for number in 0..64 {
        let reply_to = format!("nobody.{number}");
        client.publish_with_reply("whither.place", reply_to, same.to_string().into()).await.unwrap();
    }
    let told = ask(&client, "whither.place", &same).await;
    assert_eq!((told.code.as_deref(), &told.body["error"]["name"]), (Some("429"), &json!("overloaded")));
}

#[tokio::test]
async fn a_deadline_that_passes_in_the_queue_is_kept() {
    let chains = "[chain.\"user/login\"]\nsteps = [{ script = \"hang.js\", cpu_ms = 3000 }]\n";
    let (_nats, _serve, client) = site(chains, &[HANG], 2).await;
    // One connection's messages are taken in order: the one that hangs is before the other.
    client.publish_with_reply("whither.place", "nobody", bad().to_string().into()).await.unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("Whither-Deadline", (now + Duration::from_secs(1)).as_millis().to_string());
    let late = ask_raw(&client, "whither.place", br#"{"action": "user/login"}"#.to_vec(), headers).await;
    assert_eq!(late.body["error"]["name"], "overloaded", "{}", late.body);
}

/// As when its machine is suspended: nobody works, and the clock goes on.
#[tokio::test]
async fn a_worker_was_not_silent_while_the_whole_service_was_paused() {
    // A worker may be silent for eight times as long.
    let chains = "[limits]\nscript_ms = 1500\n[chain.\"user/login\"]\nsteps = [\"hang.js\"]\n";
    let (_nats, serve, client) = site(chains, &[HANG], 2).await;
    let workers = eventually("a worker and a spare", async || {
        let workers = serve.children();
        (workers.len() == 2).then_some(workers)
    })
    .await;
    for worker in &workers {
        stop(*worker).await;
    }
    let good = json!({"action": "user/login", "user": {"login": "good"}});
    let meanwhile = async {
        eventually("the question is at the worker", async || (metric(&serve, "whither_unanswered") == 1).then_some(()))
            .await;
        serve.freeze();
        // The fault itself: longer than a worker may be silent.
        tokio::time::sleep(Duration::from_secs(13)).await;
        serve.thaw();
        // The front is the first that goes on, and finds that nobody said a word for long.
        tokio::time::sleep(Duration::from_secs(1)).await;
        workers.iter().for_each(|worker| kill_process(*worker, Signal::CONT).unwrap_or_default());
    };
    let (told, ()) = tokio::join!(ask(&client, "whither.place", &good), meanwhile);
    assert_eq!(told.body["node"], "n01", "{}", told.body);
    let now = serve.children();
    assert!(workers.iter().all(|worker| now.contains(worker)), "{workers:?} were there before {now:?}");
    assert_eq!(metric(&serve, "whither_worker_deaths_total"), 0);
}

#[tokio::test]
async fn a_worker_that_reads_large_documents_says_so() {
    let birth = WorkerInit {
        set: ChainSet::new(vec![ChainSpec::new("session/start", Vec::new())]),
        arrangement: Arrangement::ById,
        limits: WorkerLimits::default(),
        audience: WorkerAudience::Front,
    };
    let (events, mut heard) = mpsc::channel(8);
    let worker = Worker::start(std::path::Path::new(WHITHER), &birth, 1, events).await.unwrap();
    let mut orders = Orders::default();
    for number in 0..200 {
        let document = json!({"id": format!("n{number}"), "metadata": {"large": "x".repeat(64_000)}}).to_string();
        let report = Report::parse(document.as_bytes()).unwrap();
        orders.push(&WorkerCommand::Change(Change::Report(report.into())));
    }
    worker.send_all(orders).await;
    for number in 0..30 {
        let word = tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap_or_else(|_| panic!("{number} words"));
        assert!(matches!(word, Some((1, WorkerEvent::Reading))), "{word:?}");
    }
    worker.retire().await;
}
