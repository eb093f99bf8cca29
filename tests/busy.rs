//! A binary of its own, because it keeps every processor busy on purpose: a good script is not punished, not for a busy
//! machine, not for what the question before it used.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

#[path = "it/support/mod.rs"]
mod support;

use std::process::{Child, Command, Stdio};

use async_nats::Client;
use futures_util::StreamExt;
use serde_json::{Value, json};
use support::nats::Nats;
use support::serve::{Serve, ask, plain_nodes, report};
use support::{PATIENCE, eventually};

/// Decisions of the honest script, unless WHITHER_DECISIONS says.
const DECISIONS: usize = 100;
/// Processes that do nothing but use the processors.
const HOGS: usize = 6;
/// Questions without an answer at one time.
const IN_FLIGHT: usize = 8;
/// What a decision of the honest script uses: a twelfth of the limit.
const BURNT_US: f64 = 20_000.0;
/// Turns of its loop for the calibration.
const TURNS: f64 = 2_000.0;

/// Burns `data.turns` turns of a loop, then chooses the node it is asked for.
const HONEST: &str = "function(input) {
    var sum = 0;
    for (var turn = 0; turn < input.data.turns; turn++) sum += turn % 7;
    return sum >= 0 ? input.data.pick : undefined;
}";

/// A process that spins, and ends with the process that started it even where that one is killed.
struct Hog(Child);

impl Hog {
    fn start() -> Self {
        let spin = "while kill -0 $PPID 2>/dev/null; do i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; done";
        let child = Command::new("sh").args(["-c", spin]).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap())
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn site(config: &str, scripts: &[(&str, &str)]) -> (Nats, Serve, Client) {
    let nats = Nats::start();
    let config = format!("[service]\nliveness_s = 3600\n{config}");
    let serve = Serve::start(&nats, &config, scripts).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(3)).await;
    (nats, serve, client)
}

/// Asks `bodies`, a few at a time, and returns the replies in the order of the questions.
async fn ask_all(client: &Client, bodies: &[Value], in_flight: usize) -> Vec<Value> {
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
    let (mut next, mut answered) = (0, vec![Value::Null; bodies.len()]);
    for done in 0..bodies.len() {
        while next < bodies.len() && next - done < in_flight {
            let body = bodies.get(next).unwrap().to_string();
            client.publish_with_reply("whither.place", format!("{inbox}.{next}"), body.into()).await.unwrap();
            next += 1;
        }
        let reply = tokio::time::timeout(PATIENCE, replies.next()).await;
        let Ok(Some(message)) = reply else { panic!("{done} of {} were answered", bodies.len()) };
        let number: usize = message.subject.rsplit('.').next().unwrap().parse().unwrap();
        *answered.get_mut(number).unwrap() = serde_json::from_slice(&message.payload).unwrap();
    }
    answered
}

#[tokio::test]
async fn an_honest_script_passes_no_limit_on_a_busy_machine() {
    let (_nats, _serve, client) = site("[chain.burn]\nsteps = [\"burn.js\"]\n", &[("burn.js", HONEST)]).await;
    let question = |turns: f64, pick: &str| json!({"action": "burn", "data": {"turns": turns, "pick": pick}});
    // The machine may be busy already, and what a step cost is told as wall time: the least of several is nearest.
    let mut least_us = f64::INFINITY;
    for _ in 0..20 {
        let told = ask(&client, "whither.explain", &question(TURNS, "n00")).await.body;
        assert_eq!(told["node"], "n00", "{told}");
        least_us = least_us.min(told["steps"][0]["cost_us"].as_f64().unwrap());
    }
    let turns = (TURNS * BURNT_US / least_us).ceil();
    let decisions = std::env::var("WHITHER_DECISIONS").map_or(DECISIONS, |text| text.parse().unwrap());
    println!("{decisions} decisions of {turns} turns: {TURNS} turns cost {least_us} us");
    let _hogs: Vec<_> = (0..HOGS).map(|_| Hog::start()).collect();
    let bodies: Vec<_> = (0..decisions).map(|number| question(turns, ["n00", "n01", "n02"][number % 3])).collect();
    let replies = ask_all(&client, &bodies, IN_FLIGHT).await;
    let punished: Vec<_> =
        bodies.iter().zip(&replies).filter(|(body, reply)| reply["node"] != body["data"]["pick"]).collect();
    assert!(punished.is_empty(), "{} of {decisions} were punished, such as {:?}", punished.len(), punished.first());
}

/// One step may take long and uses what it may; the next question's first step has its own, shorter limit. A large
/// request keeps the worker busy between the two.
#[tokio::test]
async fn a_question_does_not_pay_for_the_time_of_the_one_before() {
    let scripts = [("quick.js", "function(input) { }"), ("burn.js", HONEST)];
    let chain = "[limits]\nscript_ms = 50\n[chain.burn]\n\
                 steps = [\"quick.js\", { script = \"burn.js\", cpu_ms = 10000 }]\n";
    let (_nats, _serve, client) = site(chain, &scripts).await;
    let padding = "x".repeat(900_000);
    let bodies: Vec<_> = (0..8)
        .map(|_| json!({"action": "burn", "data": {"turns": 1_000_000, "pick": "n01"}, "padding": padding}))
        .collect();
    let replies = ask_all(&client, &bodies, bodies.len()).await;
    let punished: Vec<_> = replies.iter().filter(|reply| reply["node"] != "n01").collect();
    assert!(punished.is_empty(), "{} of 8 were punished, such as {:?}", punished.len(), punished.first());
}

/// The script of the first and third question takes what memory there is, which costs its worker. The others, by the same
/// script, need a little, and whatever is left over from the ones before is not put down to them.
#[tokio::test]
async fn a_question_does_not_pay_for_the_memory_of_the_one_before() {
    let greedy = "function(input) {
        var all = [];
        if (input.data.greedy) try { while (true) all.push(new Uint8Array(1 << 20)) } catch (full) { return 'n00' }
        if (input.data.filling) for (var k = 0; k < 90; k++) all.push(new Uint8Array(1 << 20));
        return input.nodes.map(node => ({ ...node, note: 'x'.repeat(1000) })).map(node => node.id)[1];
    }";
    let chain =
        "[limits]\nworker_memory_mb = 128\n[chain.greedy]\nsteps = [{ script = \"greedy.js\", cpu_ms = 10000 }]\n";
    let (_nats, serve, client) = site(chain, &[("greedy.js", greedy)]).await;
    let bodies: Vec<_> = ["greedy", "", "greedy", "filling", "filling", "filling", ""]
        .map(|kind| json!({"action": "greedy", "data": {kind: true}}))
        .into();
    let replies = ask_all(&client, &bodies, bodies.len()).await;
    for (body, reply) in bodies.iter().zip(&replies) {
        match body["data"]["greedy"] == true {
            true => assert_eq!(reply["error"]["limit"], "memory", "{reply}"),
            false => assert_eq!(reply["node"], "n01", "{reply}"),
        }
    }
    eventually("a worker", async || serve.children().first().copied()).await;
}
