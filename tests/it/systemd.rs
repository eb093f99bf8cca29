//! The start of a service as others see it: what systemd is told over the socket that it names (sd_notify(3)), and which
//! request is the first that is answered.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use super::support::PATIENCE;
use super::support::nats::Nats;
use super::support::serve::{Serve, plain_nodes, read, report};

const CHAINS: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// The end of systemd.
struct Socket(UnixDatagram);

impl Socket {
    /// The next message that has `part` in it, and those before it.
    fn until(&self, part: &str) -> (String, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let mut bytes = [0; 4096];
            let length = self.0.recv(&mut bytes).unwrap_or_else(|error| panic!("{part}: {error}; {before:#?}"));
            let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if message.lines().any(|line| line.starts_with(part)) {
                return (message, before);
            }
            before.push(message);
        }
    }
}

#[test]
fn systemd_is_told_when_the_service_waits_is_ready_reloads_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = Socket(UnixDatagram::bind(&path).unwrap());
    socket.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut nats = Nats::not_yet();
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")];
    let serve = Serve::spawn_in(&nats, &variables, CHAINS, &[]);

    // No NATS at boot: not ready, and alive all the same.
    let (waiting, before) = socket.until("STATUS=waiting for NATS at nats://127.0.0.1:");
    let (_alive, more) = socket.until("WATCHDOG=1");
    let early = [before, more, vec![waiting]].concat();
    assert!(!early.iter().any(|message| message.contains("READY=1")), "{early:#?}");
    // A reload then does not make it ready either.
    serve.signal(Signal::HUP);
    let (_alive, more) = socket.until("WATCHDOG=1");
    assert!(!more.iter().any(|message| message.contains("READY=1")), "{more:#?}");

    nats.restart();
    let (ready, _) = socket.until("READY=1");
    assert!(ready.contains("STATUS=connected to NATS at nats://127.0.0.1:"), "{ready}");

    serve.signal(Signal::HUP);
    let (reloading, _) = socket.until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    let (ready, _) = socket.until("READY=1");
    assert!(!ready.contains("failed"), "{ready}");

    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:no-such\"]\n");
    serve.signal(Signal::HUP);
    socket.until("RELOADING=1");
    let (ready, _) = socket.until("READY=1");
    assert!(ready.contains("the last reload failed and changed nothing"), "{ready}");

    // NATS goes away: `systemctl status` says so, and the service is no less ready than it was.
    nats.kill();
    socket.until("STATUS=waiting for NATS");
    serve.signal(Signal::TERM);
    socket.until("STOPPING=1");
}

#[tokio::test]
async fn a_replica_that_starts_takes_no_request_before_it_knows_the_nodes() {
    let nats = Nats::start();
    let client = nats.client().await;
    // The buckets and what is in them outlive the first service.
    let mut first = Serve::start(&nats, CHAINS, &[]).await;
    report(&client, &plain_nodes(200)).await;
    first.signal(Signal::TERM);
    first.ended().await;
    let _second = Serve::spawn(&nats, CHAINS, &[]);
    let start = std::time::Instant::now();
    let reply = loop {
        match client.request("whither.place", r#"{"user": {"login": "ann"}}"#.into()).await {
            Ok(message) => break read(&message),
            // Nobody listens yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        assert!(start.elapsed() < PATIENCE);
    };
    assert_eq!(reply.code, None, "{:?}", reply.body);
}
