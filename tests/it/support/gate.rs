//! A way to a NATS server that holds back what is published on some subjects, for as long as a test likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::eventually;

/// A client that connects here reaches the server through it.
pub(crate) struct Gate {
    port: u16,
    open: watch::Sender<bool>,
    held: Arc<AtomicUsize>,
}

impl Gate {
    /// An open gate before the server at `url`, for what is published on subjects that begin with `prefix`.
    pub(crate) async fn before(url: &str, prefix: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, is_open) = watch::channel(true);
        let held = Arc::new(AtomicUsize::new(0));
        let (server, count) = (url.trim_start_matches("nats://").to_owned(), Arc::clone(&held));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let ((from_client, mut to_client), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                let (messages, received) = mpsc::channel(1);
                tokio::spawn(read(from_client, messages));
                tokio::spawn(pass(received, to_server, prefix, is_open.clone(), Arc::clone(&count)));
            }
        });
        Self { port, open, held }
    }

    /// The address for clients.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Lets nothing on those subjects through from now on.
    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    /// Lets everything through again, first what was held back.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until so many messages are held back.
    pub(crate) async fn holds(&self, count: usize) {
        eventually(&format!("{count} messages held back"), async || {
            (self.held.load(Ordering::SeqCst) == count).then_some(())
        })
        .await;
    }
}

/// One protocol line, with the payload where it has one.
struct Sent {
    subject: Option<String>,
    bytes: Vec<u8>,
}

async fn read(client: OwnedReadHalf, messages: mpsc::Sender<Sent>) {
    let mut client = BufReader::new(client);
    loop {
        let mut bytes = Vec::new();
        if !matches!(client.read_until(b'\n', &mut bytes).await, Ok(1..)) {
            return;
        }
        let line = String::from_utf8_lossy(&bytes).into_owned();
        let words: Vec<_> = line.split_whitespace().collect();
        let mut subject = None;
        if let ["PUB" | "HPUB", to, .., size] = words[..] {
            subject = Some(to.to_owned());
            let start = bytes.len();
            bytes.resize(start + size.parse::<usize>().unwrap() + "\r\n".len(), 0);
            if client.read_exact(&mut bytes[start..]).await.is_err() {
                return;
            }
        }
        if messages.send(Sent { subject, bytes }).await.is_err() {
            return;
        }
    }
}

async fn pass(
    mut messages: mpsc::Receiver<Sent>,
    mut server: OwnedWriteHalf,
    prefix: &str,
    mut is_open: watch::Receiver<bool>,
    count: Arc<AtomicUsize>,
) {
    let mut held = Vec::new();
    loop {
        let bytes = tokio::select! {
            biased;
            Ok(()) = is_open.changed() => match *is_open.borrow_and_update() {
                true => {
                    count.fetch_sub(held.len(), Ordering::SeqCst);
                    std::mem::take(&mut held).concat()
                }
                false => continue,
            },
            sent = messages.recv() => match sent {
                None => return,
                Some(Sent { subject: Some(subject), bytes }) if !*is_open.borrow() && subject.starts_with(prefix) => {
                    held.push(bytes);
                    count.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                Some(Sent { bytes, .. }) => bytes,
            },
        };
        if server.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
