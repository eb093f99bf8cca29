//! A NATS micro service (ADR-32): endpoints in a queue group, and `$SRV.PING|INFO|STATS` that answer for them.
//!
//! async-nats has a micro service too, which is not used for two reasons: its error replies carry no body, which our
//! contract needs, and its endpoints can only be unsubscribed, which loses requests that are on their way when the
//! service stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use futures_util::stream::select_all;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::config::Namespace;

/// A service's description of itself.
#[derive(Clone, Debug)]
pub struct ServiceIdentity {
    /// The name, by which clients look the service up.
    pub name: String,
    /// The id of this instance.
    pub id: String,
    /// The version, as semver.
    pub version: String,
    /// The purpose of the service.
    pub description: String,
    /// Further facts.
    pub metadata: Map<String, Value>,
}

/// The figures of an endpoint; counted by the task that answers the requests.
#[derive(Debug, Default)]
pub struct EndpointStats {
    requests: AtomicU64,
    errors: AtomicU64,
    busy_ns: AtomicU64,
    last_error: Mutex<String>,
}

impl EndpointStats {
    /// Counts a request that took `busy` and ended with `error`, or without error.
    pub fn count(&self, busy: Duration, error: Option<&str>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.busy_ns.fetch_add(u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(error) = error {
            self.errors.fetch_add(1, Ordering::Relaxed);
            error.clone_into(&mut self.last_error.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// An endpoint of the service.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The name.
    pub name: String,
    /// The subject that the endpoint listens on.
    pub subject: String,
    /// The group of replicas of which a single replica receives each request; empty where all receive every request.
    pub queue_group: &'static str,
    /// The figures.
    pub stats: Arc<EndpointStats>,
}

/// A service that answers the discovery subjects until the `Micro` is dropped.
#[derive(Debug)]
pub struct Micro {
    identity: Arc<Mutex<ServiceIdentity>>,
    discovery: JoinHandle<()>,
}

impl Micro {
    /// Starts answering for `endpoints`.
    ///
    /// # Errors
    /// [`SubscribeError`](async_nats::SubscribeError) where the client cannot subscribe.
    pub async fn start(
        client: Client,
        namespace: &Namespace,
        identity: ServiceIdentity,
        endpoints: Vec<Endpoint>,
    ) -> Result<Self, async_nats::SubscribeError> {
        let mut subscribers = Vec::new();
        for verb in ["PING", "INFO", "STATS"] {
            for subject in subjects(verb, &identity) {
                subscribers.push(client.subscribe(subject).await?);
            }
        }
        let identity = Arc::new(Mutex::new(identity));
        let answers = Answers {
            client,
            namespace: namespace.clone(),
            identity: Arc::clone(&identity),
            endpoints,
            started: jiff::Timestamp::now().to_string(),
        };
        let discovery = tokio::spawn(answers.run(subscribers));
        Ok(Self { identity, discovery })
    }

    /// Sets a fact in the description of the service.
    pub fn describe(&self, name: &str, value: Value) {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).metadata.insert(name.to_owned(), value);
    }
}

impl Drop for Micro {
    fn drop(&mut self) {
        self.discovery.abort();
    }
}

fn subjects(verb: &str, identity: &ServiceIdentity) -> [String; 3] {
    let ServiceIdentity { name, id, .. } = identity;
    [format!("$SRV.{verb}"), format!("$SRV.{verb}.{name}"), format!("$SRV.{verb}.{name}.{id}")]
}

struct Answers {
    client: Client,
    namespace: Namespace,
    identity: Arc<Mutex<ServiceIdentity>>,
    endpoints: Vec<Endpoint>,
    started: String,
}

impl Answers {
    async fn run(self, subscribers: Vec<Subscriber>) {
        let mut questions = select_all(subscribers);
        while let Some(question) = questions.next().await {
            let Some(reply) = question.reply.filter(|reply| self.namespace.may_answer_to(reply)) else { continue };
            let answer = match question.subject.split('.').nth(1) {
                Some("PING") => self.ping(),
                Some("INFO") => self.info(),
                _ => self.stats(),
            };
            // A client that misses an answer asks again.
            drop(self.client.publish(reply, answer.to_string().into()).await);
        }
    }

    fn ping(&self) -> Value {
        let identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "type": "io.nats.micro.v1.ping_response",
            "name": identity.name, "id": identity.id, "version": identity.version, "metadata": identity.metadata,
        })
    }

    fn info(&self) -> Value {
        let mut info = self.ping();
        let endpoints = self.endpoints.iter().map(Self::endpoint).collect::<Value>();
        let description = self.identity.lock().unwrap_or_else(PoisonError::into_inner).description.clone();
        if let Some(info) = info.as_object_mut() {
            info.insert("type".to_owned(), json!("io.nats.micro.v1.info_response"));
            info.insert("description".to_owned(), json!(description));
            info.insert("endpoints".to_owned(), endpoints);
        }
        info
    }

    fn stats(&self) -> Value {
        let mut stats = self.ping();
        let figures = |endpoint: &Endpoint| {
            let mut about = Self::endpoint(endpoint);
            let EndpointStats { requests, errors, busy_ns, last_error } = &*endpoint.stats;
            let (requests, busy_ns) = (requests.load(Ordering::Relaxed), busy_ns.load(Ordering::Relaxed));
            if let Some(about) = about.as_object_mut() {
                about.insert("num_requests".to_owned(), json!(requests));
                about.insert("num_errors".to_owned(), json!(errors.load(Ordering::Relaxed)));
                about
                    .insert("last_error".to_owned(), json!(*last_error.lock().unwrap_or_else(PoisonError::into_inner)));
                about.insert("processing_time".to_owned(), json!(busy_ns));
                about.insert(
                    "average_processing_time".to_owned(),
                    json!(busy_ns.checked_div(requests).unwrap_or_default()),
                );
            }
            about
        };
        if let Some(object) = stats.as_object_mut() {
            object.insert("type".to_owned(), json!("io.nats.micro.v1.stats_response"));
            object.insert("started".to_owned(), json!(self.started));
            object.insert("endpoints".to_owned(), self.endpoints.iter().map(figures).collect());
        }
        stats
    }

    fn endpoint(endpoint: &Endpoint) -> Value {
        json!({"name": endpoint.name, "subject": endpoint.subject, "queue_group": endpoint.queue_group, "metadata": {}})
    }
}
