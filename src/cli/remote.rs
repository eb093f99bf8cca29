//! Requests to a running service: a request over NATS, with a time limit around everything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use clap::Args;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use crate::config::Namespace;
use crate::model::FailureName;
use crate::model::head::MAX_WAIT_MS;
use crate::nats::Bus;
use crate::nats::subjects::{HEADER_ERROR_CODE, HEADER_TIMEOUT};
use crate::plain::Plain;

use super::bus::BusArgs;
use super::chains::{default_config, has_section};
use super::exit::{self, CommandExit};
use super::{output, table};

/// The most time that a command waits for the bus and for the answer.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// The most replicas whose answers are waited for.
const MAX_REPLICAS: usize = 1000;

/// The options for reaching the service.
#[derive(Clone, Debug, Args)]
pub struct RemoteArgs {
    /// A config whose [nats] section has the address of the bus
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    bus: BusArgs,
}

impl RemoteArgs {
    /// Returns the config that is named.
    #[must_use]
    pub fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Runs `ask` with a connection.
    ///
    /// # Errors
    /// NATS that is not reached in time, and errors of `ask`.
    pub fn with_bus<T>(
        &self,
        ask: impl AsyncFnOnce(Bus, Namespace) -> Result<T, CommandExit>,
    ) -> Result<T, CommandExit> {
        with_bus(&self.bus, self.config.as_deref(), ask)
    }
}

/// Runs `ask` with a connection. Where neither an address nor a config is given, the default config names NATS.
///
/// # Errors
/// NATS that is not reached in time, and errors of `ask`.
pub(super) fn with_bus<T>(
    bus: &BusArgs,
    config: Option<&Path>,
    ask: impl AsyncFnOnce(Bus, Namespace) -> Result<T, CommandExit>,
) -> Result<T, CommandExit> {
    let found = if config.is_none() && !bus.is_given() { default_config() } else { None };
    let config = config.or(found.as_deref().filter(|found| has_section(found, "nats")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?.block_on(async {
        let (bus, namespace) = connect(bus, config).await?;
        ask(bus, namespace).await
    })
}

/// Opens a connection and waits until NATS is reached.
///
/// # Errors
/// NATS that is not reached in time, and an invalid address.
pub async fn connect(bus: &BusArgs, config: Option<&Path>) -> Result<(Bus, Namespace), CommandExit> {
    let (bus, namespace) = bus.open(config).await?;
    let at = bus.servers();
    let message = tokio::select! {
        biased;
        () = bus.connected() => return Ok((bus, namespace)),
        reason = bus.refused(at.split(", ").count()) => match reason.contains("ertificate") {
            true => format!("the encryption with NATS at {at} failed: {reason}; see --tls-ca, or `tls_ca` in the config"),
            false => format!("NATS at {at} refused the login: {reason}; see --credentials and --token, or [nats] in the config"),
        },
        () = tokio::time::sleep(PATIENCE) => {
            let reason = bus.trouble().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("NATS at {at} cannot be reached{reason}; is it running?")
        }
    };
    Err(CommandExit::new(exit::OTHER, message))
}

/// Sends `body` to `subject` and reads the answer.
///
/// # Errors
/// The service's own failure with the exit code of the failure, or that nobody answered.
pub async fn ask(bus: &Bus, subject: String, body: &Value) -> Result<Value, CommandExit> {
    ask_within(bus, subject, body, PATIENCE).await
}

/// Sends as [`ask`], with an answer that may take as long as `patience`.
///
/// # Errors
/// As [`ask`].
pub(super) async fn ask_within(
    bus: &Bus,
    subject: String,
    body: &Value,
    patience: Duration,
) -> Result<Value, CommandExit> {
    reply_within(bus, subject, body, patience).await?.into_answer()
}

/// Sends as [`ask_within`], where a failure of the service is an answer as well.
///
/// # Errors
/// Nobody answered in time.
pub(super) async fn reply_within(
    bus: &Bus,
    subject: String,
    body: &Value,
    patience: Duration,
) -> Result<RemoteReply, CommandExit> {
    let mut headers = HeaderMap::new();
    headers.insert(HEADER_TIMEOUT, patience.as_millis().to_string());
    // The time limit of the library does not cover the library's queue.
    let request = async_nats::Request::new().headers(headers).payload(body.to_string().into()).timeout(None);
    let sent = bus.client().send_request(subject.clone(), request);
    let sent = tokio::time::timeout(patience, sent);
    let sent = tokio::select! {
        biased;
        sent = sent => sent,
        words = bus.denied() => return Err(denied(&subject, &words)),
    };
    let message = match sent {
        Err(_late) => return Err(CommandExit::new(exit::OTHER, format!("no answer on {subject} within {patience:?}"))),
        Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => return Err(nobody(&subject)),
        Ok(Err(error)) => return Err(CommandExit::new(exit::OTHER, error)),
        Ok(Ok(message)) => message,
    };
    RemoteReply::read(&message)
}

/// Asks every replica on `subject`, and waits for all answers, `patience` at most: each answer has the number of
/// replicas.
///
/// # Errors
/// The first failure among the answers, or an answer that did not come in time.
pub async fn ask_each(bus: &Bus, subject: String, body: &Value, patience: Duration) -> Result<Vec<Value>, CommandExit> {
    let EachAnswer { answers, expected } = gather_each(bus, &subject, body, patience).await?;
    if answers.len() < expected {
        let message = format!("{} of {expected} replicas answered on {subject} within {patience:?}", answers.len());
        return Err(CommandExit::new(exit::OTHER, message));
    }
    Ok(answers)
}

/// The answers of the replicas.
pub struct EachAnswer {
    /// The answers that came.
    pub answers: Vec<Value>,
    /// The number of replicas, as far as they told.
    pub expected: usize,
}

/// Asks as [`ask_each`]; an answer that does not come in time is missing, and no error.
///
/// # Errors
/// The first failure among the answers, or that nobody answers at all.
pub async fn gather_each(
    bus: &Bus,
    subject: &str,
    body: &Value,
    patience: Duration,
) -> Result<EachAnswer, CommandExit> {
    let mut replies = AnswerStream::ask(bus, subject, body).await?;
    let (mut answers, mut expected) = (Vec::new(), 1);
    let until = tokio::time::Instant::now() + patience;
    while answers.len() < expected {
        let Some(message) = replies.next(until).await? else { break };
        let answer = RemoteReply::read(&message)?.into_answer()?;
        let replicas = answer.get("replicas").and_then(Value::as_u64).unwrap_or(1);
        expected = expected.max(usize::try_from(replicas).unwrap_or(1)).min(MAX_REPLICAS);
        answers.push(answer);
    }
    Ok(EachAnswer { answers, expected })
}

/// The answers of several processes to a request, as they come.
pub(super) struct AnswerStream {
    bus: Bus,
    subject: String,
    inbox: String,
    replies: Subscriber,
}

impl AnswerStream {
    /// Sends `body` to everybody who listens to `subject`.
    ///
    /// # Errors
    /// A request that the client cannot send.
    pub(super) async fn ask(bus: &Bus, subject: &str, body: &Value) -> Result<Self, CommandExit> {
        let inbox = bus.client().new_inbox();
        let replies = bus.client().subscribe(inbox.clone()).await;
        let replies = replies.map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let stream = Self { bus: bus.clone(), subject: subject.to_owned(), inbox, replies };
        stream.ask_again(body).await?;
        Ok(stream)
    }

    /// Sends another request; the answers to all requests come together.
    ///
    /// # Errors
    /// As [`AnswerStream::ask`].
    pub(super) async fn ask_again(&self, body: &Value) -> Result<(), CommandExit> {
        let (subject, inbox) = (self.subject.clone(), self.inbox.clone());
        let sent = self.bus.client().publish_with_reply(subject, inbox, body.to_string().into()).await;
        sent.map_err(|error| CommandExit::new(exit::OTHER, error))
    }

    /// Returns the next answer; `None` where there is none until `until`.
    ///
    /// # Errors
    /// That nobody listens, or that this login may not ask.
    pub(super) async fn next(&mut self, until: tokio::time::Instant) -> Result<Option<Message>, CommandExit> {
        let message = tokio::select! {
            message = self.replies.next() => message,
            words = self.bus.denied() => return Err(denied(&self.subject, &words)),
            () = tokio::time::sleep_until(until) => None,
        };
        match message {
            Some(message) if message.status == Some(StatusCode::NO_RESPONDERS) => Err(nobody(&self.subject)),
            message => Ok(message),
        }
    }
}

fn nobody(subject: &str) -> CommandExit {
    let message = format!("no service answers on {subject}; is `whither serve` running with this namespace?");
    CommandExit::new(exit::OTHER, message)
}

fn denied(subject: &str, words: &str) -> CommandExit {
    CommandExit::new(exit::OTHER, format!("this login may not use {subject}; NATS says: {words}"))
}

/// An answer of the service.
pub(super) struct RemoteReply {
    body: Value,
    is_error: bool,
}

impl RemoteReply {
    fn read(message: &Message) -> Result<Self, CommandExit> {
        let body = serde_json::from_slice(&message.payload).map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let is_error = message.headers.as_ref().is_some_and(|headers| headers.get(HEADER_ERROR_CODE).is_some());
        Ok(Self { body, is_error })
    }

    /// Returns the body, also of an error.
    pub(super) fn body(&self) -> &Value {
        &self.body
    }

    /// Returns the body.
    ///
    /// # Errors
    /// The failure that the answer reports.
    pub(super) fn into_answer(self) -> Result<Value, CommandExit> {
        match self.body.get("error").filter(|_| self.is_error) {
            None => Ok(self.body),
            Some(error) => Err(failed(error)),
        }
    }
}

/// Returns the exit for the `error` of a service.
pub(super) fn failed(error: &Value) -> CommandExit {
    let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
    let step = Some(text("step")).filter(|step| !step.is_empty());
    let code = match FailureName::parse(text("name")) {
        // No script chose that node: the user named the node.
        Some(FailureName::UnknownNode) if step.is_none() => exit::NO_NODE,
        Some(name) => exit::code(name),
        None => exit::OTHER,
    };
    let place = table::place_of(error);
    CommandExit::new(code, format!("{}: {}{place}", Plain(text("name")), Plain(text("message"))))
}

/// The service that is asked for a placement.
#[derive(Clone, Debug)]
pub struct RemoteService<'a> {
    /// The options for reaching the service.
    pub bus: &'a BusArgs,
    /// A config whose `[nats]` section names the servers, where `bus` does not.
    pub config: Option<PathBuf>,
}

/// Asks for a placement and prints the node; with `is_explained` the explanation goes to standard error.
///
/// # Errors
/// As [`ask`].
pub fn place(
    service: RemoteService<'_>,
    request: &Map<String, Value>,
    is_explained: bool,
    as_json: bool,
) -> Result<(), CommandExit> {
    with_bus(service.bus, service.config.as_deref(), async |bus, namespace| {
        let wait_ms = request.get("wait_ms").and_then(Value::as_u64).unwrap_or_default();
        let patience = PATIENCE + Duration::from_millis(wait_ms.min(u64::from(MAX_WAIT_MS)));
        let reply = reply_within(&bus, namespace.place(), &json!(request), patience).await?;
        let explanation = match reply.is_error {
            false => reply.body.get("explanation").cloned(),
            true => refused(&reply.body),
        };
        let explanation = explanation.filter(|_| is_explained);
        if let Some(explanation) = &explanation {
            output::aside(table::explained(explanation));
        }
        for warning in reply.body.get("warnings").and_then(Value::as_array).into_iter().flatten() {
            output::aside(format_args!("warning: {}", Plain(warning.as_str().unwrap_or_default())));
        }
        if as_json {
            output::json(format_args!("{:#}", reply.body))?;
        }
        match reply.into_answer() {
            Ok(_told) if as_json => Ok(()),
            Ok(placed) => output::data(placed.get("node").and_then(Value::as_str).unwrap_or_default()),
            // The explanation has the reason.
            Err(exit) if explanation.is_some() && !as_json => Err(CommandExit::shown(exit.code)),
            Err(exit) => Err(exit),
        }
    })
}

/// Asks for the explanation of a placement that is not made, and returns the explanation.
///
/// # Errors
/// As [`ask`].
pub fn explanation(service: RemoteService<'_>, request: &Map<String, Value>) -> Result<Value, CommandExit> {
    with_bus(service.bus, service.config.as_deref(), async |bus, namespace| {
        ask(&bus, namespace.explain(), &json!(request)).await
    })
}

/// Returns the explanation of a refusal, built from the refusal's diagnosis, or `None` if no chain was asked.
fn refused(body: &Value) -> Option<Value> {
    let error = body.get("error")?;
    let mut explanation = error.get("diagnosis")?.as_object()?.clone();
    explanation.insert("error".to_owned(), error.clone());
    Some(explanation.into())
}
