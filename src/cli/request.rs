//! The request of a command line: `--request`, and single options over `--request`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::chain::Purpose;
use crate::host;
use crate::model::head::DEFAULT_ACTION;
use crate::model::{Head, JsonLimits, Request, json as untrusted};
use crate::worker::{PlacementQuestion, WorkerLimits};

use super::exit::{self, CommandExit};
use super::token::token_in;

/// The options that make up the request.
#[derive(Clone, Debug, Default, Args)]
pub struct RequestArgs {
    /// The request: a JSON object, or a file that holds one
    #[arg(long, value_name = "FILE-or-JSON")]
    request: Option<String>,
    /// The action of the placement
    #[arg(long)]
    action: Option<String>,
    /// The user's login
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// A group of the user; repeatable
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// The user's token, a JWT, in a file; goes into the request as `params.jwt`
    #[arg(long, value_name = "FILE")]
    jwt: Option<PathBuf>,
    /// A value of the request's `data`; repeatable. The value is JSON where it reads as such
    #[arg(long, value_name = "KEY=VALUE")]
    data: Vec<String>,
    /// Units of a countable fact that the session takes, in the request's `needs`; repeatable
    #[arg(long = "need", value_name = "FACT=NUMBER")]
    needs: Vec<String>,
}

impl RequestArgs {
    /// Returns the request: the node list's `document`, over that `--request`, over that the single options.
    ///
    /// # Errors
    /// An invalid request, or a request larger than `max_bytes`.
    pub fn over(&self, document: Map<String, Value>, max_bytes: usize) -> Result<Map<String, Value>, CommandExit> {
        let mut request = document;
        if let Some(given) = &self.request {
            request.extend(given_request(given, max_bytes)?);
        }
        if let Some(action) = &self.action {
            request.insert("action".to_owned(), json!(action));
        }
        if let Some(user) = &self.user {
            let entry = request.entry("user").or_insert_with(|| json!({}));
            if let Some(own) = entry.as_object_mut() {
                own.insert("login".to_owned(), json!(user));
            }
        }
        if !self.groups.is_empty() {
            request.insert("userGroups".to_owned(), json!(self.groups));
        }
        if let Some(path) = &self.jwt {
            let token = token_in(path, max_bytes)?;
            let entry = request.entry("params").or_insert_with(|| json!({}));
            if let Some(params) = entry.as_object_mut() {
                params.insert("jwt".to_owned(), json!(token));
            }
        }
        for pair in &self.data {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| CommandExit::usage(format!("--data {pair}: expected KEY=VALUE")))?;
            let value =
                untrusted::parse(value.as_bytes(), JsonLimits::bytes(value.len())).unwrap_or_else(|_text| json!(value));
            let entry = request.entry("data").or_insert_with(|| json!({}));
            if let Some(data) = entry.as_object_mut() {
                data.insert(key.to_owned(), value);
            }
        }
        for pair in &self.needs {
            let usage = || CommandExit::usage(format!("--need {pair}: expected FACT=NUMBER, such as matlab=1"));
            let (fact, number) = pair.split_once('=').ok_or_else(usage)?;
            let number: u64 = number.parse().map_err(|_| usage())?;
            let entry = request.entry("needs").or_insert_with(|| json!({}));
            if let Some(needs) = entry.as_object_mut() {
                needs.insert(fact.to_owned(), json!(number));
            }
        }
        Ok(request)
    }

    /// Returns the files that `--request` and `--jwt` name, if they name any.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let request = self.request.as_deref().filter(|given| !given.trim_start().starts_with('{')).map(Into::into);
        request.into_iter().chain(self.jwt.clone())
    }

    /// Returns the same options for the action `action`.
    #[must_use]
    pub fn of_action(&self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self.clone() }
    }

    /// Returns the action of the request, if the request names an action.
    #[must_use]
    pub fn action(&self) -> Option<String> {
        let named = || {
            let request = self.over(Map::new(), WorkerLimits::default().request_bytes).ok()?;
            request.get("action").and_then(Value::as_str).map(str::to_owned)
        };
        self.action.clone().or_else(named)
    }
}

fn given_request(given: &str, max_bytes: usize) -> Result<Map<String, Value>, CommandExit> {
    let inline = given.trim_start().starts_with(['{', '[']);
    let (name, text) = if inline {
        ("--request".to_owned(), given.as_bytes().to_vec())
    } else {
        let read = std::fs::read(given).map_err(|error| CommandExit::usage(format!("--request {given}: {error}")))?;
        (given.to_owned(), read)
    };
    let value = untrusted::parse(&text, JsonLimits::bytes(max_bytes))
        .map_err(|error| CommandExit::usage(format!("{name}: {error}")))?;
    match value {
        Value::Object(request) => Ok(request),
        other => {
            Err(CommandExit::usage(format!("{name}: the request is {}, expected an object", untrusted::kind(&other))))
        }
    }
}

/// Returns the time `now` in Unix milliseconds; that of the clock where there is none.
pub fn now_ms(now: Option<jiff::Timestamp>) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.map_or(i64::try_from(since.as_millis()).unwrap_or(i64::MAX), jiff::Timestamp::as_millisecond)
}

/// Returns `request` as a question for a single worker; a missing seed is drawn, a missing time is read from the clock.
///
/// # Errors
/// An invalid request, or a request larger than `max_bytes`.
pub fn question(
    request: &Map<String, Value>,
    max_bytes: usize,
    seed: Option<u64>,
    now: Option<jiff::Timestamp>,
) -> Result<PlacementQuestion, CommandExit> {
    let server_id = host::name();
    let now_ms = now_ms(now);
    let text = Value::Object(request.clone()).to_string();
    let parsed = Request::parse(text.as_bytes(), max_bytes, &server_id).map_err(CommandExit::usage)?;
    let seed = match seed {
        Some(seed) => seed,
        None => host::random().map_err(|error| CommandExit::new(exit::OTHER, error))?,
    };
    Ok(PlacementQuestion {
        decision: format!("place-{seed:016x}").into(),
        head: parsed.head().clone(),
        request: text.into(),
        server_id: server_id.into(),
        ..blank(now_ms, seed)
    })
}

/// Returns a question without a request, for a worker that serves nobody else.
#[must_use]
pub fn blank(now_ms: i64, seed: u64) -> PlacementQuestion {
    let nothing = || Arc::<str>::from("");
    let head = Head {
        id: None,
        action: DEFAULT_ACTION.into(),
        login: nothing(),
        session_name: nothing(),
        wait_ms: 0,
        reservation_s: 0,
        explain: false,
    };
    PlacementQuestion {
        ticket: 1,
        decision: nothing(),
        head,
        request: "{}".into(),
        server_id: nothing(),
        purpose: Purpose::Place,
        about: None,
        search_us: 0,
        now_ms,
        seed,
        sequence: 0,
        deadline_ms: None,
        limited: Vec::new(),
        assigned: None,
        cooling: Default::default(),
        from: None,
        narrated: true,
        traced: false,
    }
}
