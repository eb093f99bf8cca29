//! Placements over a real NATS server, 512 in flight, beside a bare echo service on the same server.
//!
//! Alternating runs of both, medians: the machine, the server and the client are the same, so the ratio is what the
//! service costs on top of NATS. The echo is this program again, in a process of its own as the service is.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::Client;
use futures_util::StreamExt;
use support::eventually;
use support::nats::Nats;
use support::serve::{Serve, plain_nodes, report};

const IN_FLIGHT: usize = 512;
const NODES: usize = 100;
const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(3);
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
    for run in 1..=RUNS {
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
    println!("median of {RUNS} alternating runs, {IN_FLIGHT} in flight, {NODES} nodes, builtin:fewest-sessions:");
    println!("  echo           {echoed}");
    println!("  user/login     {logins}  ratio {:.2}", logins.rate / echoed.rate);
    println!("  session/start  {starts}  ratio {:.2} (with a reservation each)", starts.rate / echoed.rate);
}

/// What one run came to.
struct Figures {
    rate: f64,
    p50_us: u128,
    p99_us: u128,
    /// CPU time of the service for one answer.
    cpu_us: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s p50 {} us p99 {} us", self.rate, self.p50_us, self.p99_us)?;
        match self.cpu_us > 0.0 {
            true => write!(f, " CPU {:.1} us each", self.cpu_us),
            false => Ok(()),
        }
    }
}

fn median(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by(|left, right| left.rate.total_cmp(&right.rate));
    runs.swap_remove(RUNS / 2)
}

/// A closed loop: a new question for each answer.
async fn load(client: &Client, subject: &'static str, body: &str, service_cpu_us: impl Fn() -> u64) -> Figures {
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
    let mut sent = vec![Instant::now(); IN_FLIGHT];
    let addresses: Vec<_> = (0..IN_FLIGHT).map(|slot| async_nats::Subject::from(format!("{inbox}.{slot}"))).collect();
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    for (slot, address) in addresses.iter().enumerate() {
        sent[slot] = Instant::now();
        client.publish_with_reply(subject, address.clone(), body.clone()).await.unwrap();
    }
    let (start, cpu_us, mut latencies) = (Instant::now(), service_cpu_us(), Vec::new());
    while start.elapsed() < RUN {
        let reply = replies.next().await.unwrap();
        assert!(reply.headers.is_none(), "an error: {}", String::from_utf8_lossy(&reply.payload));
        let slot: usize = reply.subject.rsplit('.').next().unwrap().parse().unwrap();
        latencies.push(sent[slot].elapsed().as_micros());
        sent[slot] = Instant::now();
        client.publish_with_reply(subject, addresses[slot].clone(), body.clone()).await.unwrap();
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    let cpu_us = service_cpu_us().saturating_sub(cpu_us) as f64 / latencies.len() as f64;
    for _ in 0..IN_FLIGHT {
        replies.next().await.unwrap();
    }
    latencies.sort_unstable();
    Figures { rate, p50_us: latencies[latencies.len() / 2], p99_us: latencies[latencies.len() * 99 / 100], cpu_us }
}
