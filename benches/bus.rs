//! Placements over a real NATS server, 512 in flight, beside a bare echo service on the same server.
//!
//! Alternating runs of both, medians: the machine, the server and the client are the same, so the ratio is what the
//! service costs on top of NATS. The echo is this program again, in a process of its own as the service is.

#[path = "support/mod.rs"]
mod load;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt;
use load::{Figures, Load, Question, shortened};
use support::eventually;
use support::nats::Nats;
use support::serve::{Serve, plain_nodes, report};

const IN_FLIGHT: usize = 512;
const NODES: usize = 100;
const RUNS: usize = 5;
const SHORT_RUNS: usize = 3;
const RUN: Duration = Duration::from_secs(3);
const SHORT_RUN: Duration = Duration::from_millis(1500);
const ECHO: &str = "--echo";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match arguments.iter().position(|argument| argument == ECHO) {
        Some(place) => runtime.block_on(echo(arguments.get(place + 1).unwrap())),
        None if cfg!(debug_assertions) => println!("a debug build measures nothing; use cargo bench"),
        None => runtime.block_on(measure()),
    }
}

async fn echo(url: &str) {
    let client = async_nats::connect(url).await.unwrap();
    let mut requests = client.queue_subscribe("echo", "q".to_owned()).await.unwrap();
    while let Some(request) = requests.next().await {
        client.publish(request.reply.unwrap(), request.payload).await.unwrap();
    }
}

/// A child that ends with its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn measure() {
    let nats = Nats::start();
    // A login reserves nothing, so that the thousandth decision is taken on the cluster of the first.
    let chain = "[chain.\"user/login\"]\nsteps = [\"builtin:fewest-sessions\"]\n\
                 [chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n\
                 [service]\nreservation_s = 1\n[limits]\nqueue = 100000\n";
    let serve = Serve::start(&nats, chain, &[]).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(NODES)).await;
    let echo = Command::new(std::env::current_exe().unwrap()).args([ECHO, &nats.url()]).stdout(Stdio::null()).spawn();
    let _echo = Killed(echo.unwrap());
    eventually("the echo", async || client.request("echo", "x".into()).await.ok()).await;
    let padding = "x".repeat(200);
    let login =
        format!("{{\"action\":\"user/login\",\"user\":{{\"login\":\"ann\"}},\"data\":{{\"x\":\"{padding}\"}}}}");
    let start = format!("{{\"user\":{{\"login\":\"ann\"}},\"data\":{{\"x\":\"{padding}\"}}}}");
    let (mut echoed, mut logins, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let count = shortened(RUNS, SHORT_RUNS);
    for run in 1..=count {
        let one = load(&client, "echo", &login, || 0).await;
        let two = load(&client, "whither.place", &login, || serve.cpu_us()).await;
        let three = load(&client, "whither.place", &start, || serve.cpu_us()).await;
        println!(
            "run {run}: echo {one}, user/login {two} ({:.2}), session/start {three} ({:.2})",
            two.rate / one.rate,
            three.rate / one.rate
        );
        echoed.push(one);
        logins.push(two);
        starts.push(three);
    }
    let (echoed, logins, starts) = (median(echoed), median(logins), median(starts));
    println!("median of {count} alternating runs, {IN_FLIGHT} in flight, {NODES} nodes, builtin:fewest-sessions:");
    println!("  echo           {echoed}");
    println!("  user/login     {logins}  ratio {:.2}", logins.rate / echoed.rate);
    println!("  session/start  {starts}  ratio {:.2} (with a reservation each)", starts.rate / echoed.rate);
}

fn median(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by(|left, right| left.rate.total_cmp(&right.rate));
    runs.swap_remove(runs.len() / 2)
}

/// A closed loop of one question; `service_cpu_us` says how much CPU time the service has taken so far.
async fn load(client: &Client, subject: &'static str, body: &str, service_cpu_us: impl Fn() -> u64) -> Figures {
    let questions = [Question { body: bytes::Bytes::copy_from_slice(body.as_bytes()), right: String::new() }];
    let load = Load { subject, questions: &questions, in_flight: IN_FLIGHT, aside: None };
    let cpu_us = service_cpu_us();
    let mut figures = load.run(client, shortened(RUN, SHORT_RUN)).await;
    figures.cpu_us = service_cpu_us().saturating_sub(cpu_us) as f64 / figures.answers as f64;
    assert_eq!(figures.wrong, 0, "an error: {:?}", figures.first_wrong);
    figures
}
