//! `whither start`: places a session, has the chosen node's agent start the session, and tells each step.

use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use owo_colors::OwoColorize;
use serde_json::{Map, Value, json};

use crate::host;
use crate::model::JsonLimits;
use crate::model::json as untrusted;
use crate::plain::Plain;
use crate::worker::WorkerLimits;

use super::exit::{self, CommandExit};
use super::output;
use super::remote::{self, RemoteArgs, RemoteReply};
use super::request::RequestArgs;

/// Place a session and start the session there, by the agent of the chosen node.
///
/// The service places the session and asks the agent of the node to start the session; where the start fails, the
/// service tries up to two other nodes. Prints the node's id once the session runs; where the node has a text for the
/// user instead, the text. Each step is told on standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither start --user ann
  whither start --user ann --group cad --start '{\"command\": \"xterm\", \"geometry\": \"1024x768\"}' --json

Exit codes: 0 started, or submitted as a job · 1 anything else · 2 command line, config or input · 3 no node · 4 a \
script's fault · 5 a limit · 7 the session did not start")]
pub struct StartArgs {
    #[command(flatten)]
    asked: RequestArgs,
    /// FastX's start document: a JSON object, or a file that holds one
    #[arg(long, value_name = "FILE-or-JSON")]
    start: Option<String>,
    /// The request's id: asked again with the same id, nothing is started twice [default: random]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Wait so many seconds for a free node; 600 at most
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=600))]
    wait: Option<u32>,
    /// Give up after so many seconds, beside those of --wait
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = clap::value_parser!(u32).range(2..=2400))]
    timeout: u32,
    /// Print the whole reply as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `whither start`.
///
/// # Errors
/// The reason why no session was started.
pub fn run(args: &StartArgs) -> Result<(), CommandExit> {
    let mut request = args.request()?;
    args.remote.with_bus(async |bus, namespace| {
        let client = bus.client();
        let inbox = client.new_inbox();
        request.insert("progress".to_owned(), json!(inbox));
        let mut news = client.subscribe(inbox).await.map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let patience = Duration::from_secs(u64::from(args.timeout) + u64::from(args.wait.unwrap_or_default()));
        let body = Value::Object(request.clone());
        let reply = remote::reply_within(&bus, namespace.start(), &body, patience);
        tokio::pin!(reply);
        let reply = loop {
            tokio::select! {
                biased;
                Some(message) = news.next() => tell(&message.payload),
                reply = &mut reply => break reply.map_err(|end| with_id(end, &request))?,
            }
        };
        conclude(reply, args.json)
    })
}

impl StartArgs {
    fn request(&self) -> Result<Map<String, Value>, CommandExit> {
        let limit = WorkerLimits::default().request_bytes;
        let mut request = self.asked.over(Map::new(), limit)?;
        if let Some(start) = &self.start {
            request.insert("start".to_owned(), start_document(start, limit)?);
        }
        if let Some(seconds) = self.wait {
            request.insert("wait_ms".to_owned(), (u64::from(seconds) * 1000).into());
        }
        if let Some(id) = &self.id {
            request.insert("id".to_owned(), json!(id));
        } else if !request.contains_key("id") {
            let random = host::random().map_err(|error| CommandExit::new(exit::OTHER, error))?;
            request.insert("id".to_owned(), json!(format!("start-{random:016x}")));
        }
        Ok(request)
    }
}

/// Reads the document that `given` is, or that the file of this name holds.
fn start_document(given: &str, max_bytes: usize) -> Result<Value, CommandExit> {
    let wrong = |error: &dyn std::fmt::Display| CommandExit::usage(format!("--start {given}: {error}"));
    let text = match given.trim_start().starts_with(['{', '[']) {
        true => given.as_bytes().to_vec(),
        false => std::fs::read(given).map_err(|error| wrong(&error))?,
    };
    match untrusted::parse(&text, JsonLimits::bytes(max_bytes)) {
        Ok(document @ Value::Object(_)) => Ok(document),
        Ok(other) => Err(wrong(&format_args!("it is {}, expected an object", untrusted::kind(&other)))),
        Err(error) => Err(wrong(&error)),
    }
}

/// Tells a step of the start, of which the service has told in `payload`.
fn tell(payload: &[u8]) {
    let Ok(news) = untrusted::parse(payload, JsonLimits::bytes(payload.len())) else { return };
    let text = |field: &str| news.get(field).and_then(Value::as_str).unwrap_or_default();
    match text("state") {
        "placing" if news.get("try").and_then(Value::as_u64) > Some(1) => output::aside("next node…"),
        "placing" => output::aside("placing…"),
        "starting" => output::aside(format_args!("starting on {}…", Plain(text("node")).bold())),
        "failed" => {
            let failed = format!("{}: {}", Plain(text("node")), Plain(text("message")));
            output::aside(failed.yellow());
        }
        _ => {}
    }
}

/// Prints the reply of the service.
fn conclude(reply: RemoteReply, as_json: bool) -> Result<(), CommandExit> {
    let body = reply.body().clone();
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    for warning in body.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        output::aside(format_args!("warning: {}", Plain(warning.as_str().unwrap_or_default())));
    }
    if as_json {
        output::json(format_args!("{body:#}"))?;
    }
    reply.into_answer()?;
    let (node, state) = (text("node"), text("state"));
    match state {
        "deferred" if as_json => Ok(()),
        "deferred" => {
            output::aside(format_args!("a job on {} will start the session:", Plain(node)));
            output::answer(Plain(text("text")))
        }
        "text" => {
            if !as_json {
                output::aside(format_args!("{} started nothing, and says:", Plain(node)));
                output::answer(Plain(text("text")))?;
            }
            Err(CommandExit::shown(exit::START))
        }
        _ if as_json => Ok(()),
        _ => {
            let result = body.get("result").filter(|result| !result.is_null());
            let said = result.map(|result| format!(": {}", Plain(&result.to_string()))).unwrap_or_default();
            output::aside(format_args!("{} on {}{said}", "started".green(), Plain(node)));
            output::data(node)
        }
    }
}

/// Returns `end` with the advice to ask again with the same id, where nobody knows how the start ended.
fn with_id(end: CommandExit, request: &Map<String, Value>) -> CommandExit {
    if !end.message.starts_with("no answer") {
        return end;
    }
    let id = request.get("id").and_then(Value::as_str).unwrap_or_default();
    let message = format!("{}; ask again with --id {}, which starts nothing twice", end.message, Plain(id));
    CommandExit { message, ..end }
}
