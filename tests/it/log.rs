//! A log that nobody reads, or that cannot be written, costs lines and nothing else.

use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::process::{Command, Stdio};

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, plain_nodes, report};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::json;

const CHAINS: &str = "[chain.\"session/start\"]\nsteps = [\"talk.js\"]\nreserve = false\n";
const TALK: (&str, &str) =
    ("talk.js", "i => { for (let n = 0; n < 20; n++) console.log('x'.repeat(1000)); return i.nodes[0].id }");
/// Requests that log more lines of a thousand bytes, twenty each, than a pipe and the log's queue hold together.
const MANY: usize = 300;

/// A service that logs twenty lines for each request into a pipe, whose other end is returned.
async fn talkative() -> (Nats, Serve, async_nats::Client, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    let nats = Nats::start();
    let mut serve = Serve::logging_to(&nats, CHAINS, &[TALK], writer);
    serve.ready().await;
    let client = nats.client().await;
    report(&client, &plain_nodes(2)).await;
    (nats, serve, client, reader)
}

async fn place(client: &async_nats::Client, count: usize) {
    for _ in 0..count {
        assert_eq!(ask(client, "whither.place", &json!({})).await.body["node"], "n00");
    }
}

#[tokio::test]
async fn when_the_reader_is_gone_requests_are_answered_and_lost_lines_counted() {
    let (_nats, mut serve, client, reader) = talkative().await;
    drop(reader);
    place(&client, 50).await;
    eventually("lost lines are counted", async || (serve.figure("whither_lost_log_lines")? >= 50.0).then_some(()))
        .await;
    assert_eq!((serve.get("/healthz").0, serve.readyz().0), (200, 200));
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
}

#[tokio::test]
async fn a_reader_that_is_stuck_holds_nothing_up_and_is_told_what_it_missed() {
    let (_nats, mut serve, client, mut reader) = talkative().await;
    place(&client, MANY).await;
    eventually("lost lines are counted", async || (serve.figure("whither_lost_log_lines")? > 0.0).then_some(())).await;
    let (mut log, mut part) = (String::new(), [0; 1 << 16]);
    while !log.contains("log lines were lost: standard error did not take them") {
        let read = reader.read(&mut part).unwrap();
        log.push_str(&String::from_utf8_lossy(&part[..read]));
        place(&client, 1).await;
    }
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
}

#[tokio::test]
async fn a_stop_waits_for_no_reader() {
    let (_nats, mut serve, client, reader) = talkative().await;
    place(&client, 20).await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
    drop(reader);
}

#[tokio::test]
async fn a_full_disk_costs_lines_alone() {
    let nats = Nats::start();
    let mut serve = Serve::logging_to(&nats, CHAINS, &[TALK], File::options().write(true).open("/dev/full").unwrap());
    serve.ready().await;
    let client = nats.client().await;
    report(&client, &plain_nodes(2)).await;
    place(&client, 50).await;
    eventually("lost lines are counted", async || (serve.figure("whither_lost_log_lines")? >= 50.0).then_some(()))
        .await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
}

#[tokio::test]
async fn a_log_that_has_reached_the_limit_of_file_sizes_costs_lines_alone() {
    let nats = Nats::start();
    let log = tempfile::tempfile().unwrap();
    let mut serve = Serve::logging_to(&nats, CHAINS, &[TALK], log);
    let limit = Rlimit { current: Some(20_000), maximum: Some(20_000) };
    rustix::process::prlimit(Pid::from_raw(serve.id().cast_signed()), Resource::Fsize, limit).unwrap();
    serve.ready().await;
    let client = nats.client().await;
    report(&client, &plain_nodes(2)).await;
    place(&client, 50).await;
    eventually("lost lines are counted", async || (serve.figure("whither_lost_log_lines")? > 0.0).then_some(())).await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
}

#[tokio::test]
async fn an_agent_goes_on_reporting_whatever_becomes_of_its_log() {
    let nats = Nats::start();
    let (reader, writer) = pipe().unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_whither"))
        .args(["agent", "--nats", &nats.url(), "--id", "a", "--interval", "0.2"])
        .env("WHITHER_LOG", "debug")
        .stdin(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    drop(reader);
    let js = async_nats::jetstream::new(nats.client().await);
    eventually("the node is reported again and again", async || {
        let bucket = js.get_key_value("whither_nodes").await.ok()?;
        (bucket.entry("a").await.ok()??.revision >= 5).then_some(())
    })
    .await;
    agent.kill().unwrap();
    agent.wait().unwrap();
}

/// `serve` opens the config before the log can help, and a named pipe for a config would make a reload wait for ever.
#[tokio::test]
async fn a_config_that_is_a_named_pipe_is_refused_and_a_reload_of_one_holds_up_no_stop() {
    let nats = Nats::start();
    let mut serve = Serve::start(&nats, "[chain.\"session/start\"]\nsteps = [\"talk.js\"]\n", &[TALK]).await;
    let config = serve.folder().join("whither.toml");
    std::fs::remove_file(&config).unwrap();
    let folder = rustix::fs::CWD;
    rustix::fs::mknodat(folder, &config, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    serve.signal(Signal::HUP);
    serve.logged("it is a named pipe, not a file").await;
    serve.logged("the config is broken, the old one stays").await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
}
