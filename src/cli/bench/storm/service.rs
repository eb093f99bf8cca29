//! A service in a storm: sends the nodes' reports, and finds when the storm may begin.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use tokio::time::sleep;

use crate::cli::exit::{self, CommandExit};
use crate::config::Namespace;
use crate::nats::subjects::{bucket_subject, encode_key};

use super::answer::StormPlaced;
use super::figures::ServiceFigures;
use super::launcher::Subjects;
use super::nodes::{self, Nodes, Rounds};

/// Every so many reports, a report waits until the server has stored it: the server drops reports that are sent faster
/// than they are stored.
const ACKNOWLEDGED: usize = 256;
/// The most time until the service knows all nodes, for the first and for each further node.
const PATIENCE: Duration = Duration::from_secs(30);
const FOR_A_NODE: Duration = Duration::from_millis(2);
/// The most time until the first answer: a new worker receives every node first.
const FIRST_ANSWER: Duration = Duration::from_secs(120);
/// The intervals at which due nodes are looked for, and at which a starting service is polled.
const TICK: Duration = Duration::from_millis(5);
const LOOK: Duration = Duration::from_millis(50);

/// A service that is ready.
#[derive(Clone, Debug)]
pub(super) struct StormService {
    /// The process of the service.
    pub(super) pid: u32,
    /// The HTTP port of the service.
    pub(super) port: u16,
    /// The namespace of the service on the bus.
    pub(super) namespace: Namespace,
}

/// The point until which a report is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// The report was written to the connection.
    Sent,
    /// The server has stored the report.
    Stored,
}

impl Until {
    /// Returns the point until which report number `number` is waited for.
    fn of(number: usize) -> Self {
        if number.is_multiple_of(ACKNOWLEDGED) { Self::Stored } else { Self::Sent }
    }
}

impl StormService {
    /// Returns the subjects on which launchers ask the service.
    pub(super) fn subjects(&self) -> Subjects {
        let namespace = &self.namespace;
        Subjects {
            place: namespace.place().into(),
            confirm: namespace.confirm().into(),
            release: namespace.release().into(),
        }
    }

    /// Reports every node once, and waits until the service knows them all.
    ///
    /// # Errors
    /// A report that is refused, or a service that does not come to know the nodes.
    pub(super) async fn introduce(&self, client: &Client, nodes: &Mutex<Nodes>) -> Result<(), CommandExit> {
        let count = nodes.lock().unwrap_or_else(PoisonError::into_inner).count();
        for place in 0..count {
            let is_last = place + 1 == count;
            let until = if is_last { Until::Stored } else { Until::of(place) };
            self.report(client, nodes, place, until).await?;
        }
        let deadline = Instant::now() + PATIENCE + FOR_A_NODE * u32::try_from(count).unwrap_or(u32::MAX);
        let port = self.port;
        loop {
            let figures = tokio::task::spawn_blocking(move || ServiceFigures::of(port)).await.unwrap_or_default();
            let known = figures.get("whither_nodes").unwrap_or_default();
            if known >= count as u64 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(other(format!("the service knows {known} of {count} nodes, and hears of no more")));
            }
            sleep(LOOK).await;
        }
    }

    /// Asks for a node and gives the place back; returns the time until the answer.
    ///
    /// # Errors
    /// A request without an answer. An error of a script is reported by the launchers' requests.
    pub(super) async fn first_answer(&self, client: &Client, request: Bytes) -> Result<Duration, CommandExit> {
        let (start, subjects) = (Instant::now(), self.subjects());
        let request = async_nats::Request::new().payload(request).timeout(Some(FIRST_ANSWER));
        let answer = client.send_request(subjects.place, request).await;
        let answer = answer.map_err(|error| other(format!("the first request was not answered: {error}")))?;
        let placed: StormPlaced<'_> = serde_json::from_slice(&answer.payload).map_err(other)?;
        let took = start.elapsed();
        if let Some(reservation) = placed.reservation {
            let body = format!("{{\"reservation\":\"{reservation}\"}}");
            client.request(subjects.release, body.into()).await.map_err(other)?;
        }
        Ok(took)
    }

    /// Lets every node report in every `period`, until the future is dropped.
    pub(super) async fn keep_reporting(
        self,
        client: Client,
        nodes: Arc<Mutex<Nodes>>,
        period: Duration,
    ) -> CommandExit {
        let count = nodes.lock().unwrap_or_else(PoisonError::into_inner).count();
        let mut rounds = Rounds::new(count, period, Instant::now());
        let mut sent = 0_usize;
        loop {
            while let Some(place) = rounds.next(Instant::now()) {
                sent += 1;
                if let Err(exit) = self.report(&client, &nodes, place, Until::of(sent)).await {
                    return exit;
                }
            }
            sleep(TICK).await;
        }
    }

    async fn report(
        &self,
        client: &Client,
        nodes: &Mutex<Nodes>,
        place: usize,
        until: Until,
    ) -> Result<(), CommandExit> {
        let document = nodes.lock().unwrap_or_else(PoisonError::into_inner).report(place, Instant::now());
        let subject = bucket_subject(&self.namespace.nodes_bucket(), &encode_key(&nodes::id(place)));
        if until == Until::Sent {
            return client.publish(subject, document.into()).await.map_err(other);
        }
        let answer = client.request(subject, document.into()).await.map_err(other)?;
        match answer.payload.windows(8).any(|part| part == b"\"error\":") {
            false => Ok(()),
            true => Err(other(format!("a report was refused: {}", String::from_utf8_lossy(&answer.payload)))),
        }
    }
}

fn other(error: impl std::fmt::Display) -> CommandExit {
    CommandExit::new(exit::OTHER, error)
}
