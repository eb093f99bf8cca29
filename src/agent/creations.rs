//! Messages from NATS that the bucket of nodes was made, so that an agent reports to a new bucket at once.
//!
//! JetStream publishes an advisory in a stream's own account when the stream is made, by any client. An agent that may
//! receive the advisory need not ask about the bucket, which a hundred thousand agents could not do every few seconds;
//! an agent that may not receive the advisory finds out with the next report.

use async_nats::Subscriber;
use futures_util::StreamExt;
use tracing::debug;

use crate::config::Namespace;
use crate::nats::Bus;
use crate::nats::subjects::{bucket_stream, creation_advisory};

/// The advisories about the making of the bucket of nodes.
#[derive(Debug)]
pub(super) struct Creations {
    /// The subscription; `None` where the connection was closed.
    advisories: Option<Subscriber>,
}

impl Creations {
    /// Subscribes to the advisories about the bucket of nodes of `namespace`, from now on and after each reconnect.
    pub(super) async fn listen(bus: &Bus, namespace: &Namespace) -> Self {
        let subject = creation_advisory(&bucket_stream(&namespace.nodes_bucket()));
        let advisories = bus.client().subscribe(subject).await;
        Self { advisories: advisories.inspect_err(|error| debug!("{error}")).ok() }
    }

    /// Waits until the bucket was made; for ever, where no advisory can come.
    pub(super) async fn next(&mut self) {
        let Some(advisories) = &mut self.advisories else { return std::future::pending().await };
        if advisories.next().await.is_none() {
            self.advisories = None;
            std::future::pending::<()>().await;
        }
    }
}
