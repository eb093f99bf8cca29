//! What a cluster does all day, beside the soak's own load: sessions are placed at an even rate, run for a while and end;
//! nodes report them every few seconds; and some nodes leave and return.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::{Client, Message};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Placements a second: two every two milliseconds.
pub(crate) const RATE: usize = 1000;
const TICK: Duration = Duration::from_millis(2);
/// How long a session runs.
const SESSION: Duration = Duration::from_secs(10);
/// How often each node reports.
const REPORT: Duration = Duration::from_secs(5);
/// Nodes that leave and return, each so often.
const FLAPPING: usize = 10;
const FLAP: Duration = Duration::from_secs(10);
/// Requests without an answer so far; at more the rate is not kept, and that is said.
const OPEN_AT_MOST: usize = 2000;

/// The churn while it goes on.
pub(crate) struct Churn {
    tasks: JoinSet<()>,
    figures: Arc<Mutex<Figures>>,
}

/// What became of its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) asked: usize,
    pub(crate) placed: usize,
    /// Failures by name.
    pub(crate) failed: BTreeMap<String, usize>,
    /// Requests that were not asked because too many had no answer.
    pub(crate) held_back: usize,
    running: BTreeMap<String, Vec<Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    ends: Instant,
    fields: Value,
}

impl Churn {
    /// Sessions for the chain `action` on `nodes` nodes that stay, called n00, n01, …, and on some that do not.
    pub(crate) async fn start(client: &Client, action: &'static str, nodes: usize) -> Self {
        let figures: Arc<Mutex<Figures>> = Arc::default();
        let mut tasks = JoinSet::new();
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(inbox.clone()).await.unwrap();
        let heard = Arc::clone(&figures);
        tasks.spawn(async move {
            while let Some(message) = replies.next().await {
                heard.lock().unwrap().take(&message);
            }
        });
        tasks.spawn(ask(client.clone(), action, inbox, Arc::clone(&figures)));
        tasks.spawn(report(client.clone(), nodes, Arc::clone(&figures)));
        tasks.spawn(flap(client.clone(), Arc::clone(&figures)));
        Self { tasks, figures }
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> Figures {
        self.tasks.abort_all();
        self.figures.lock().unwrap().clone()
    }
}

impl Figures {
    fn take(&mut self, message: &Message) {
        let answer: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        let Some(node) = answer["node"].as_str() else {
            let name = answer["error"]["name"].as_str().unwrap_or("no answer").to_owned();
            *self.failed.entry(name).or_default() += 1;
            return;
        };
        self.placed += 1;
        let id = format!("s{}", self.placed);
        let fields = json!({"id": id, "user": format!("u{}", self.placed % 500), "reservation": answer["reservation"]});
        self.running.entry(node.to_owned()).or_default().push(Session { ends: Instant::now() + SESSION, fields });
    }

    fn open(&self) -> usize {
        self.asked - self.placed - self.failed.values().sum::<usize>()
    }

    /// What `node` says of itself at this moment.
    fn document(&mut self, node: &str) -> Value {
        let running = self.running.entry(node.to_owned()).or_default();
        running.retain(|session| session.ends > Instant::now());
        json!({"id": node, "nodeData": {"sessions": running.iter().map(|session| &session.fields).collect::<Vec<_>>()}})
    }
}

async fn ask(client: Client, action: &str, inbox: String, figures: Arc<Mutex<Figures>>) {
    let mut pace = tokio::time::interval(TICK);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let each = RATE * usize::try_from(TICK.as_millis()).unwrap() / 1000;
    loop {
        pace.tick().await;
        for _ in 0..each {
            let number = {
                let mut figures = figures.lock().unwrap();
                if figures.open() >= OPEN_AT_MOST {
                    figures.held_back += 1;
                    continue;
                }
                figures.asked += 1;
                figures.asked
            };
            let body = json!({"action": action, "user": {"login": format!("u{}", number % 500)}}).to_string();
            client.publish_with_reply("whither.place", inbox.clone(), body.into()).await.unwrap();
        }
    }
}

/// The nodes that stay, one after the other.
async fn report(client: Client, nodes: usize, figures: Arc<Mutex<Figures>>) {
    let mut pace = tokio::time::interval(REPORT / u32::try_from(nodes).unwrap());
    for number in 0.. {
        pace.tick().await;
        put(&client, &format!("n{:02}", number % nodes), &figures).await;
    }
}

/// The nodes that do not.
async fn flap(client: Client, figures: Arc<Mutex<Figures>>) {
    let mut pace = tokio::time::interval(FLAP / u32::try_from(2 * FLAPPING).unwrap());
    for number in 0.. {
        pace.tick().await;
        let node = format!("x{:02}", number % FLAPPING);
        if (number / FLAPPING).is_multiple_of(2) {
            put(&client, &node, &figures).await;
        } else {
            // Whatever ran there is gone with it.
            figures.lock().unwrap().running.remove(&node);
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("KV-Operation", "DEL");
            client.publish_with_headers(format!("$KV.whither_nodes.{node}"), headers, "".into()).await.unwrap();
        }
    }
}

async fn put(client: &Client, node: &str, figures: &Mutex<Figures>) {
    let document = figures.lock().unwrap().document(node).to_string();
    client.publish(format!("$KV.whither_nodes.{node}"), document.into()).await.unwrap();
}
