//! The steps that the demo takes with its cluster, printed as they happen.

use std::collections::BTreeMap;
use std::time::Duration;

use owo_colors::OwoColorize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::cli::exit::{self, CommandExit};
use crate::cli::output;
use crate::cli::remote::ask;
use crate::cli::table::{self, table};
use crate::config::Namespace;
use crate::nats::Bus;

use super::DemoArgs;
use super::cluster::DemoCluster;

const USERS: [(&str, &[&str]); 4] = [("ann", &["cad"]), ("bob", &[]), ("cleo", &["cad", "staff"]), ("dan", &["staff"])];
/// The most time until the cluster shows an action of the demo.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn run_story(args: &DemoArgs, cluster: &mut DemoCluster) -> Result<(), CommandExit> {
    step("starting nats-server, the service and the agents");
    cluster.start_nats().await?;
    cluster.start_service().await?;
    let nodes: Vec<_> = (1..=args.nodes).map(|number| format!("demo-{number}")).collect();
    for (node, number) in nodes.iter().zip(1..) {
        cluster.start_agent(node, number % 2 == 0)?;
    }
    let (bus, namespace) = cluster.connect().await?;
    let mut site = DemoLauncher { bus, namespace, started: BTreeMap::new(), placed: 0 };
    site.until(cluster, "all agents have reported", |listed| listed.len() == nodes.len()).await?;
    note(&format!("NATS at {}; {} nodes report themselves", cluster.url(), nodes.len()));

    step("placing sessions: gpu-for-cad.js, then builtin:fewest-sessions");
    let half = args.sessions / 2;
    site.place(cluster, half).await?;
    site.until(cluster, "the agents report the sessions", |listed| sessions(listed) == u64::from(half)).await?;
    site.show().await?;

    let Some(cordoned) = nodes.get(1) else { return Ok(()) };
    step(&format!("cordoning {cordoned}, as `whither cordon {cordoned} --reason …` does"));
    let body = json!({"node": cordoned, "reason": "a fan is loud", "by": "demo"});
    ask(&site.bus, site.namespace.cordon(), &body).await?;
    site.place(cluster, args.sessions - half).await?;
    site.show().await?;

    step(&format!("why does ann not get {cordoned}?"));
    let question = json!({"user": {"login": "ann"}, "userGroups": ["cad"], "node": cordoned});
    output::print_line(table::explained(&ask(&site.bus, site.namespace.explain(), &question).await?));
    let Some(other) = nodes.get(2) else { return Ok(()) };
    step(&format!("and why does bob get what he gets, and not {other}?"));
    let question = json!({"user": {"login": "bob"}, "node": other});
    output::print_line(table::explained(&ask(&site.bus, site.namespace.explain(), &question).await?));

    step("putting the node back and ending the sessions");
    ask(&site.bus, site.namespace.uncordon(), &json!({"node": cordoned})).await?;
    for node in &nodes {
        cluster.write_sessions(node, &[])?;
    }
    site.until(cluster, "the agents report that nothing runs", |listed| sessions(listed) == 0).await?;
    note(&format!("{} sessions were placed. Next: README.md, \"A first script\"", site.placed.green()));
    if args.keep {
        note(&format!(
            "the cluster goes on until Ctrl-C. Try: export WHITHER_NATS={}; whither nodes; whither place --user ann --group cad",
            cluster.url()
        ));
        loop {
            cluster.check()?;
            sleep(Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

/// A launcher's view of the cluster.
struct DemoLauncher {
    bus: Bus,
    namespace: Namespace,
    /// The sessions that this launcher has started, by node.
    started: BTreeMap<String, Vec<Value>>,
    placed: u32,
}

impl DemoLauncher {
    /// Places `count` sessions and starts each on the node of its placement.
    async fn place(&mut self, cluster: &DemoCluster, count: u8) -> Result<(), CommandExit> {
        for (login, groups) in USERS.iter().cycle().take(usize::from(count)) {
            self.placed += 1;
            let name = format!("session-{}", self.placed);
            let request = json!({"id": name, "user": {"login": login}, "userGroups": groups, "data": {"name": name}});
            let placed = ask(&self.bus, self.namespace.place(), &request).await?;
            let text = |field: &str| placed.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (node, reservation) = (text("node"), text("reservation"));
            note(&format!("{login:<5} {:<12} → {}   by {}", groups.join(","), node.green(), text("decided_by")));
            let sessions = self.started.entry(node.clone()).or_default();
            sessions
                .push(json!({"id": name, "user": login, "name": name, "state": "running", "reservation": reservation}));
            cluster.write_sessions(&node, sessions)?;
            ask(&self.bus, self.namespace.confirm(), &json!({"reservation": reservation})).await?;
        }
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<Value>, CommandExit> {
        let page = ask(&self.bus, self.namespace.nodes(), &json!({"limit": 1000})).await?;
        Ok(page.get("nodes").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// Waits until `reached` holds for the service's node list.
    async fn until(
        &self,
        cluster: &mut DemoCluster,
        what: &str,
        reached: impl Fn(&[Value]) -> bool,
    ) -> Result<(), CommandExit> {
        let deadline = Instant::now() + PATIENCE;
        // Before the service has connected nobody answers, which is no error here.
        while !self.nodes().await.is_ok_and(|listed| reached(&listed)) {
            cluster.check()?;
            if Instant::now() > deadline {
                return Err(CommandExit::new(exit::OTHER, format!("waited in vain until {what}")));
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn show(&self) -> Result<(), CommandExit> {
        let mut rows = table(&["node", "state", "gpu", "sessions", "pending"]);
        for node in self.nodes().await? {
            let text = |pointer: &str| match node.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => "-".to_owned(),
            };
            let columns = [text("/id"), text("/state"), text("/metadata/gpu"), text("/sessions"), text("/pending")];
            rows.add_row(table::row(columns));
        }
        output::print_line(rows);
        Ok(())
    }
}

/// Returns the number of sessions that nodes have reported, without reservations.
fn sessions(listed: &[Value]) -> u64 {
    let number = |node: &Value, field: &str| node.get(field).and_then(Value::as_u64).unwrap_or_default();
    listed.iter().map(|node| number(node, "sessions").saturating_sub(number(node, "pending"))).sum()
}

fn step(what: &str) {
    output::print_line(format_args!("\n{} {}", "==".cyan().bold(), what.bold()));
}

fn note(what: &str) {
    output::print_line(format_args!("   {what}"));
}
