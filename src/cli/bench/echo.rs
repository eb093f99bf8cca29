//! The floor of a service on this bus: a responder that answers everything at once, with a reply of the same size.
//!
//! The echo has a connection and a thread of its own, as a service has a process, and listens below an inbox, where
//! each login that may ask a service may listen too.

use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::cli::bus::BusArgs;
use crate::cli::exit::{self, CommandExit};
use crate::cli::remote;

/// A responder that runs until dropped.
#[derive(Debug)]
pub(super) struct Echo {
    subject: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts a responder on the server of `bus` that replies with `reply`.
    ///
    /// # Errors
    /// A responder that cannot connect or listen.
    pub(super) fn start(bus: &BusArgs, config: Option<&Path>, reply: Bytes) -> Result<Self, CommandExit> {
        let (bus, config) = (bus.clone(), config.map(Path::to_owned));
        let (sender, receiver) = mpsc::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let run = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(sender.send(Err(CommandExit::new(exit::OTHER, error)))),
            };
            runtime.block_on(async {
                match listen(&bus, config.as_deref()).await {
                    Err(exit) => drop(sender.send(Err(exit))),
                    Ok((client, subject, requests)) => {
                        drop(sender.send(Ok(subject)));
                        tokio::select! {
                            () = answer(&client, requests, reply) => {}
                            () = stopped.cancelled() => {}
                        }
                    }
                }
            });
        };
        let thread = thread::Builder::new().name("echo".to_owned()).spawn(run);
        let thread = Some(thread.map_err(|error| CommandExit::new(exit::OTHER, error))?);
        let subject =
            receiver.recv().map_err(|_gone| CommandExit::new(exit::OTHER, "the echo ended before it listened"))??;
        Ok(Self { subject, stop, thread })
    }

    /// Returns the subject on which the echo listens.
    #[must_use]
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn listen(bus: &BusArgs, config: Option<&Path>) -> Result<(Client, String, Subscriber), CommandExit> {
    let (bus, _namespace) = remote::connect(bus, config).await?;
    let client = bus.client().clone();
    let subject = client.new_inbox();
    let requests = client.subscribe(subject.clone()).await.map_err(|error| CommandExit::new(exit::OTHER, error))?;
    client.flush().await.map_err(|error| CommandExit::new(exit::OTHER, error))?;
    Ok((client, subject, requests))
}

async fn answer(client: &Client, mut requests: Subscriber, reply: Bytes) {
    while let Some(request) = requests.next().await {
        if let Some(address) = request.reply {
            // An answer that cannot be sent is counted as lost by the load.
            drop(client.publish(address, reply.clone()).await);
        }
    }
}
