//! A service whose chains are programs, one each, and words to ask it.

use async_nats::Client;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{self, Serve, ask};

/// Four nodes, n00 to n03, and a chain for each program, by its file's name.
pub(crate) struct Site {
    pub(crate) nats: Nats,
    pub(crate) serve: Serve,
    pub(crate) client: Client,
}

impl Site {
    /// A chain for each of `programs`, whose step is that program with `settings`; and `top` above them in the config.
    pub(crate) async fn new(top: &str, settings: &str, programs: &[(&str, &str)]) -> Self {
        let chains: String = programs.iter().map(|(name, _)| chain(name, name, settings)).collect();
        let (nats, serve, client) = serve::site(&format!("{top}\n{chains}"), programs, 4).await;
        Self { nats, serve, client }
    }

    /// Any chains, with `scripts` beside the config.
    pub(crate) async fn of(chains: &str, scripts: &[(&str, &str)], nodes: usize) -> Self {
        let (nats, serve, client) = serve::site(chains, scripts, nodes).await;
        Self { nats, serve, client }
    }

    /// Asks the chain `action`.
    pub(crate) async fn ask(&self, action: &str) -> Value {
        self.ask_with(action, json!({})).await
    }

    /// Asks the chain `action` with more in the request.
    pub(crate) async fn ask_with(&self, action: &str, mut request: Value) -> Value {
        request["action"] = json!(action);
        ask(&self.client, "whither.place", &request).await.body
    }

    /// Waits until no process has `word` in its command line any more.
    pub(crate) async fn nothing_left(&self, word: &str) {
        eventually(word, async || Serve::processes(word).is_empty().then_some(())).await;
    }
}

/// The config of a chain called `action` with one program.
pub(crate) fn chain(action: &str, program: &str, settings: &str) -> String {
    format!("[chain.\"{action}\"]\nsteps = [{{ script = \"{program}\"{settings} }}]\n")
}

/// What an answer came to: the node, or the error's name and limit.
pub(crate) fn outcome(answer: &Value) -> String {
    match (&answer["node"], &answer["error"]["name"], &answer["error"]["limit"]) {
        (Value::String(node), _, _) => node.clone(),
        (_, Value::String(name), Value::String(limit)) => format!("{name} ({limit})"),
        (_, Value::String(name), _) => name.clone(),
        _ => answer.to_string(),
    }
}

/// The message of an error.
pub(crate) fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_default()
}
