//! The connections of the HTTP port: a bounded number of them, each for one request and for a bounded time.
//!
//! Any client that reaches the port may open connections and send nothing, or read nothing: each would hold a
//! descriptor that NATS, workers and programs need. So the port has a share of the descriptors and no more. Past the
//! bound the oldest connection is closed for the new: each connection carries one request, so the oldest is the
//! connection that has waited longest for a whole request, or for the reader of the answer, and a health check is
//! answered long before becoming the oldest. Rejected: refusing the new connection, because a client that holds every
//! place would then keep health checks out; and connections that stay open for several requests, which are worth
//! nothing to a probe every few seconds and of which an idle connection looks like a silent attacker.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// The most connections that are open at one time.
const MOST_CONNECTIONS: usize = 64;
/// The port's share of the descriptors that the process may open, as a divisor.
const SHARE: u64 = 4;
/// The number of connections that may be open with any number of descriptors.
const LEAST_CONNECTIONS: usize = 4;
/// How long the head of a request may take to come.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last in all: the request's head and body, and the reading of the answer.
const WHOLE_TIME: Duration = Duration::from_secs(10);
/// The longest head of a request in bytes; no probe's has a tenth of that.
const HEAD_BYTES: usize = 16 << 10;
/// The pause after an error of `accept`.
const PAUSE: Duration = Duration::from_millis(50);
/// The least time between two log lines about errors of `accept`.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// The limits of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    /// The most connections that are open at one time.
    pub connections: usize,
    /// How long the head of a request may take to come.
    pub head: Duration,
    /// How long a connection may last in all.
    pub whole: Duration,
}

impl ConnectionLimits {
    /// Returns the limits of a process that may open `descriptors` descriptors; `None` stands for any number.
    #[must_use]
    pub(super) fn within(descriptors: Option<u64>) -> Self {
        let share = descriptors.map_or(MOST_CONNECTIONS, |all| usize::try_from(all / SHARE).unwrap_or(usize::MAX));
        let connections = share.clamp(LEAST_CONNECTIONS, MOST_CONNECTIONS);
        Self { connections, head: HEAD_TIME, whole: WHOLE_TIME }
    }

    /// Returns the limits of this process, by the descriptors that may be open now.
    #[must_use]
    pub(super) fn of_this_process() -> Self {
        Self::within(getrlimit(Resource::Nofile).current)
    }
}

/// Answers the connections of `listener` by `routes`, within `limits`, until the task is dropped.
///
/// # Errors
/// Where `listener` is no listening socket; any other error of the system is waited out.
pub(super) async fn serve(listener: TcpListener, routes: Router, limits: ConnectionLimits) -> io::Result<()> {
    let mut connections = Connections { limits, routes, open: VecDeque::new(), spare: spare() };
    let mut warnings = AcceptWarnings::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.admit(stream).await,
            Err(error) => match Errno::from_io_error(&error) {
                // The connection was over before it was accepted.
                Some(Errno::CONNABORTED | Errno::CONNRESET | Errno::PERM | Errno::PROTO | Errno::INTR) => {}
                Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP) => return Err(error),
                _ => {
                    warnings.note(&error);
                    connections.give_way().await;
                    sleep(PAUSE).await;
                }
            },
        }
    }
}

/// The open connections.
struct Connections {
    limits: ConnectionLimits,
    routes: Router,
    /// The connections, the oldest first.
    open: VecDeque<AbortOnDropHandle<()>>,
    /// A descriptor that is given up for a connection where the process has no other left.
    spare: Option<File>,
}

impl Connections {
    /// Answers the request that comes over `stream`; closes the oldest connection where there are too many.
    async fn admit(&mut self, stream: TcpStream) {
        self.open.retain(|connection| !connection.is_finished());
        while self.open.len() >= self.limits.connections && self.close_oldest().await {}
        let answering = answer(stream, self.routes.clone(), self.limits);
        self.open.push_back(AbortOnDropHandle::new(tokio::spawn(answering)));
        self.spare = self.spare.take().or_else(spare);
    }

    /// Frees a descriptor: the oldest connection's, else the spare.
    async fn give_way(&mut self) {
        self.open.retain(|connection| !connection.is_finished());
        if !self.close_oldest().await {
            self.spare = None;
        }
    }

    /// Closes the oldest connection and waits until the descriptor is free; returns false where none is open.
    async fn close_oldest(&mut self) -> bool {
        let Some(oldest) = self.open.pop_front() else { return false };
        oldest.abort();
        // The task was aborted or has ended; in both cases the connection is closed.
        drop(oldest.await);
        true
    }
}

/// Answers one request that comes over `stream`, and closes the connection.
async fn answer(stream: TcpStream, routes: Router, limits: ConnectionLimits) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES).keep_alive(false);
    let answered = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // A client that is too slow, has gone or sends nonsense only harms itself.
    drop(timeout(limits.whole, answered).await);
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Logs now and then that connections cannot be accepted.
#[derive(Default)]
struct AcceptWarnings {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl AcceptWarnings {
    fn note(&mut self, error: &io::Error) {
        self.unlogged += 1;
        if self.logged_at.is_none_or(|logged_at| logged_at.elapsed() >= BETWEEN_WARNINGS) {
            tracing::warn!(%error, times = self.unlogged, "http: connections cannot be accepted");
            (self.logged_at, self.unlogged) = (Some(Instant::now()), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::Arc;

    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(50);

    async fn port(routes: Router, limits: ConnectionLimits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, routes, limits));
        address
    }

    fn healthz() -> Router {
        Router::new().route("/healthz", get(async || "ok\n"))
    }

    async fn say(address: SocketAddr, words: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        stream
    }

    /// Reads until the other side closes.
    async fn hear(mut stream: TcpStream) -> String {
        let mut heard = Vec::new();
        // A connection that is closed with unread bytes is reset.
        let _reset = stream.read_to_end(&mut heard).await;
        String::from_utf8_lossy(&heard).into_owned()
    }

    async fn is_healthy(address: SocketAddr) -> bool {
        hear(say(address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await).await.ends_with("\r\n\r\nok\n")
    }

    #[tokio::test]
    async fn half_requests_keep_no_health_check_out() {
        let address = port(healthz(), ConnectionLimits { connections: 8, head: LONG, whole: LONG }).await;
        let mut halves = Vec::new();
        for _ in 0..300 {
            halves.push(say(address, "GET /healthz HTTP/1.1\r\nX: y\r\n").await);
        }
        assert!(is_healthy(address).await);
        for half in halves.drain(..292) {
            assert_eq!(hear(half).await, "", "the oldest were closed");
        }
        // The last connection may still send a request.
        let mut last = halves.pop().unwrap();
        last.write_all(b"\r\n").await.unwrap();
        assert!(hear(last).await.ends_with("ok\n"));
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_cut() {
        let address = port(healthz(), ConnectionLimits { connections: 8, head: SHORT, whole: LONG }).await;
        let silent = TcpStream::connect(address).await.unwrap();
        let half = say(address, "GET /healthz HTTP/1.1\r\nX: y\r\n").await;
        assert_eq!((hear(silent).await, hear(half).await), (String::new(), String::new()));
    }

    /// The client reads nothing, so that the answer never ends; the body is dropped when the connection is cut.
    #[tokio::test]
    async fn a_reader_that_does_not_read_is_cut() {
        let (cut, was_cut) = oneshot::channel::<()>();
        let cut = Arc::new(std::sync::Mutex::new(Some(cut)));
        let endless = get(async move || {
            let cut = cut.lock().unwrap().take();
            let piece = move || {
                let _held = &cut;
                Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1 << 16]))
            };
            Body::from_stream(futures_util::stream::repeat_with(piece))
        });
        let address =
            port(healthz().route("/metrics", endless), ConnectionLimits { connections: 8, head: LONG, whole: SHORT })
                .await;
        let reader = say(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(was_cut.await.is_err(), "the sender was dropped");
        assert!(is_healthy(address).await);
        drop(reader);
    }

    /// A body that never comes is not waited for, and a connection carries a single request.
    #[tokio::test]
    async fn a_connection_carries_one_request() {
        let address = port(healthz(), ConnectionLimits { connections: 8, head: LONG, whole: LONG }).await;
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf";
        assert!(hear(say(address, request).await).await.ends_with("ok\n"));
        let twice = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
        assert_eq!(hear(say(address, &twice).await).await.matches("200 OK").count(), 1);
        let long = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES));
        assert!(!hear(say(address, &long).await).await.contains("200 OK"));
    }

    #[test]
    fn the_port_has_a_share_of_the_descriptors() {
        for (descriptors, connections) in
            [(Some(0), 4), (Some(64), 16), (Some(256), 64), (Some(u64::MAX), 64), (None, 64)]
        {
            assert_eq!(ConnectionLimits::within(descriptors).connections, connections, "{descriptors:?}");
        }
    }
}
