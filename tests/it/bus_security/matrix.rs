//! Every login of the shipped config, tried against every name on the bus: what it may publish and what it may hear is
//! this table, and nothing else. An endpoint or a bucket that the table does not have fails the test.

use std::collections::BTreeSet;

use async_nats::ConnectOptions;
use whither::config::Namespace;
use whither::nats::message::Verb;
use whither::nats::subjects::bucket_stream;

use super::site::{Login, Site, one_server};
use crate::support::serve::ask;

/// The logins, each with its own account's part in the bus. `node-1` is the agent's.
const USERS: [&str; 4] = ["service", "admin", "launcher", "node-1"];

/// Who may publish on the subject of each endpoint.
fn may_ask(verb: Verb) -> &'static [&'static str] {
    match verb {
        // A start is made of requests to the service itself.
        Verb::Place | Verb::Confirm | Verb::Release | Verb::Renew => &["launcher", "service"],
        Verb::Start => &["launcher"],
        Verb::Explain | Verb::Cancel => &["admin", "launcher"],
        Verb::Waiting
        | Verb::Nodes
        | Verb::Cordon
        | Verb::Uncordon
        | Verb::Reload
        | Verb::Decision
        | Verb::Assign
        | Verb::Unassign
        | Verb::Assignments
        | Verb::Status
        | Verb::Accept
        | Verb::Forget
        | Verb::Facts
        | Verb::FactSet
        | Verb::FactDelete => &["admin"],
    }
}

/// Every subject on which somebody could publish, with the logins that may.
fn published() -> Vec<(String, BTreeSet<&'static str>)> {
    let names = Namespace::default();
    let mut rows: Vec<(String, &[&str])> =
        Verb::ALL.into_iter().map(|verb| (format!("whither.{}", verb.as_str()), may_ask(verb))).collect();
    rows.extend([
        (names.logs(), &["admin"][..]),
        (names.log_level(), &["admin"]),
        (names.node_start("node-1"), &["service"]),
        (names.node_start("node-2"), &["service"]),
        (names.node_start("never:there"), &["service"]),
        (names.of_node("node-1", "ping"), &["admin"]),
        (names.of_node("node-2", "ping"), &["admin"]),
        (names.of_node("node-1", "stop"), &[]),
        (names.peers(), &["service"]),
        (names.peer("replica", "confirm"), &["service"]),
        (names.events_of("node-1"), &["service"]),
        (format!("$KV.{}.node-1", names.nodes_bucket()), &["node-1"]),
        (format!("$KV.{}.node-2", names.nodes_bucket()), &[]),
        (format!("$JS.FC.{}.x", names.events_stream()), &["admin", "service"]),
        ("whither.drain".to_owned(), &[]),
        ("_INBOX.service.x".to_owned(), &["service"]),
        ("_INBOX.launcher.x".to_owned(), &["service"]),
        ("_INBOX.node-1.x".to_owned(), &["service"]),
        ("elsewhere".to_owned(), &[]),
    ]);
    for bucket in [names.marks_bucket(), names.claims_bucket(), names.assignments_bucket(), names.facts_bucket()] {
        rows.push((format!("$KV.{bucket}.node-1"), &["service"]));
    }
    // The service makes and reads what JetStream keeps; an administrator reads the history.
    let kept = [
        names.nodes_bucket(),
        names.marks_bucket(),
        names.claims_bucket(),
        names.assignments_bucket(),
        names.facts_bucket(),
    ];
    let streams = kept.iter().map(|bucket| bucket_stream(bucket)).chain([names.events_stream()]);
    for stream in streams {
        let is_history = stream == names.events_stream();
        for verb in ["CREATE", "UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE", "INFO"] {
            let readers: &[&str] = if is_history && verb == "INFO" { &["admin", "service"] } else { &["service"] };
            rows.push((format!("$JS.API.STREAM.{verb}.{stream}"), readers));
        }
        let readers: &[&str] = if is_history { &["admin", "service"] } else { &["service"] };
        rows.push((format!("$JS.API.CONSUMER.CREATE.{stream}.x"), readers));
        rows.push((format!("$JS.API.DIRECT.GET.{stream}"), &["service"]));
        rows.push((format!("$JS.API.CONSUMER.DELETE.{stream}.x"), &["service"]));
    }
    rows.into_iter().map(|(subject, users)| (subject, users.iter().copied().collect())).collect()
}

/// Every subject that somebody could listen to, with the logins that may.
fn heard() -> Vec<(String, BTreeSet<&'static str>)> {
    let names = Namespace::default();
    let of_service = Verb::ALL.into_iter().map(|verb| (format!("whither.{}", verb.as_str()), &["service"][..]));
    let mut rows: Vec<(String, &[&str])> = of_service.collect();
    rows.extend([
        (">".to_owned(), &[][..]),
        ("whither.>".to_owned(), &["service"]),
        // An agent answers what is asked of all.
        (names.logs(), &["node-1", "service"]),
        (names.log_level(), &["node-1", "service"]),
        (names.node_start("node-1"), &["node-1", "service"]),
        (names.of_node("node-1", "ping"), &["node-1", "service"]),
        (names.node_start("node-2"), &["service"]),
        (names.of_node("node-2", "ping"), &["service"]),
        ("whither.node.>".to_owned(), &["service"]),
        ("whither.node.*.start".to_owned(), &["service"]),
        (names.peers(), &["service"]),
        (names.events_filter(), &["service"]),
        ("$KV.>".to_owned(), &[]),
        (format!("$KV.{}.node-1", names.nodes_bucket()), &[]),
        (format!("$KV.{}.>", names.assignments_bucket()), &[]),
        ("$JS.API.>".to_owned(), &[]),
        ("$SRV.PING".to_owned(), &["service"]),
        ("_INBOX.>".to_owned(), &[]),
    ]);
    for user in USERS.into_iter().chain(["node-2"]) {
        let own: &[&str] = match user {
            "service" => &["service"],
            "admin" => &["admin"],
            "launcher" => &["launcher"],
            "node-1" => &["node-1"],
            _ => &[],
        };
        rows.push((format!("_INBOX.{user}.>"), own));
    }
    rows.into_iter().map(|(subject, users)| (subject, users.iter().copied().collect())).collect()
}

/// Compares what the server refused `user` with the table `rows`.
fn compare(user: &str, what: &str, rows: &[(String, BTreeSet<&'static str>)], refused: &BTreeSet<String>) {
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(subject, users)| users.contains(user) == refused.contains(&subject.to_lowercase()))
        .map(|(subject, users)| format!("{what} {subject}: {}", if users.contains(user) { "refused" } else { "let" }))
        .collect();
    assert!(wrong.is_empty(), "{user}\n  {}", wrong.join("\n  "));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_may_publish_what_the_table_says_and_nothing_else() {
    let nats = one_server();
    let rows = published();
    for user in USERS {
        let login = Login::of(&nats.url(), user).await;
        for (subject, _) in &rows {
            login.client.publish(subject.clone(), "{}".into()).await.unwrap();
        }
        compare(user, "publish", &rows, &login.refusals("publish").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_may_hear_what_the_table_says_and_nothing_else() {
    let nats = one_server();
    let rows = heard();
    for user in USERS {
        let login = Login::of(&nats.url(), user).await;
        let mut kept = Vec::new();
        for (subject, _) in &rows {
            kept.push(login.client.subscribe(subject.clone()).await.unwrap());
        }
        compare(user, "hear", &rows, &login.refusals("subscription").await);
    }
}

/// Who has no login gets nowhere; who has one in another account is heard by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_reaches_no_subject() {
    let nats = one_server();
    let site = Site::start(&[nats.url()], "").await;
    for options in [ConnectOptions::new(), ConnectOptions::with_user_and_password("node-3".into(), "node-1-pw".into())]
    {
        let refused = options.connect(nats.url()).await.unwrap_err().to_string();
        assert!(refused.contains("authorization violation"), "{refused}");
    }
    let operator = Login::of(&nats.url(), "operator").await;
    let ours = |subject: &&String| !subject.starts_with("_INBOX") && !subject.starts_with("$JS");
    let rows = published();
    for subject in rows.iter().map(|(subject, _)| subject).filter(ours) {
        let answer = operator.client.request(subject.clone(), "{}".into()).await;
        assert!(answer.is_err(), "{subject}: {answer:?}");
    }
    // Nothing of that came through.
    let admin = Login::of(&nats.url(), "admin").await;
    let nodes = ask(&admin.client, "whither.nodes", &serde_json::json!({})).await.body;
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(2), "{nodes}");
    drop(site);
}
