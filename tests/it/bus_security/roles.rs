//! What each role does under the shipped config, and everything that it may not do.

use async_nats::ConnectOptions;
use serde_json::json;
use whither::nats::{Connection, frozen};

use super::site::{Login, Site, one_server};
use crate::support::serve::ask;

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_its_work() {
    let nats = one_server();
    let site = Site::start(&[nats.url()], "").await;
    let cordoned = site.command("admin", &["cordon", "node-1", "--reason", "kernel"]);
    assert_eq!((cordoned.code, cordoned.stdout.trim()), (Some(0), "node-1 cordoned"), "{}", cordoned.stderr);

    let launcher = Login::of(&nats.url(), "launcher").await;
    let placed = ask(&launcher.client, "whither.place", &json!({"user": {"login": "ann"}})).await.body;
    assert_eq!(placed["node"], "node-2", "{placed}");
    let confirmed = ask(&launcher.client, "whither.confirm", &json!({"reservation": placed["reservation"]})).await.body;
    assert_eq!(confirmed["state"], "confirmed");
    let again = ask(&launcher.client, "whither.place", &json!({"user": {"login": "bob"}})).await.body;
    let released = ask(&launcher.client, "whither.release", &json!({"reservation": again["reservation"]})).await.body;
    assert_eq!(released["state"], "released");

    // A launcher has sessions started; what the agent says crosses both accounts.
    let started = ask(&launcher.client, "whither.start", &json!({"user": {"login": "ann"}})).await.body;
    let expected = (&json!("started"), &json!("node-2"), &json!(7));
    assert_eq!((&started["state"], &started["node"], &started["result"]), expected, "{started}");

    // The command line as a launcher's script uses it: no config, a login in the environment.
    let url = nats.url().replace("nats://", "nats://launcher:launcher-pw@");
    let shell = crate::support::shell::Shell::new().with("WHITHER_NATS", &url);
    let told = shell.with("WHITHER_INBOX_PREFIX", "_INBOX.launcher").whither(["place", "--user", "ann"]);
    assert_eq!((told.code, told.stdout.trim()), (Some(0), "node-2"), "{}", told.stderr);

    // Whoever may place or administrate may ask why, and what would have to differ.
    for user in ["launcher", "admin"] {
        let told = site.command(user, &["explain", "--node", "node-1"]);
        assert!(told.code == Some(0) && told.stdout.contains("asked node-1: "), "{user}: {told:?}");
        assert!(told.stdout.contains("node-1 would be chosen if "), "{user}: {told:?}");
    }

    let denied = site.command("launcher", &["cordon", "node-2"]);
    assert!(denied.stderr.contains("this login may not use whither.cordon; NATS says: "), "{denied:?}");
    assert_eq!(denied.code, Some(1));

    let assigned = site.command("admin", &["assign", "ann", "node-2", "--reason", "dongle"]);
    assert_eq!((assigned.code, assigned.stdout.trim()), (Some(0), "ann is assigned to node-2"), "{}", assigned.stderr);
    let listed = site.command("admin", &["assignments"]);
    assert!(listed.stdout.contains("dongle") && listed.stderr.ends_with("1 assignment\n"), "{listed:?}");
    for arguments in [&["assign", "eve", "node-2"][..], &["unassign", "ann"], &["assignments"]] {
        let denied = site.command("launcher", arguments);
        let words = format!("this login may not use whither.{}; NATS says: ", arguments[0]);
        assert!(denied.code == Some(1) && denied.stderr.contains(&words), "{denied:?}");
    }
    assert_eq!(site.command("admin", &["unassign", "ann"]).stdout.trim(), "ann is not assigned to node-2 any more");

    let set = site.command("admin", &["fact", "set", "matlab", "12"]);
    assert_eq!((set.code, set.stdout.trim()), (Some(0), "matlab is 12"), "{}", set.stderr);
    let told =
        crate::support::shell::Shell::new().with("WHITHER_NATS", &url).with("WHITHER_INBOX_PREFIX", "_INBOX.launcher");
    let placed = told.whither(["place", "--user", "ann", "--need", "matlab=1"]);
    assert_eq!(placed.code, Some(0), "{placed:?}");
    for (arguments, subject) in [
        (&["fact", "set", "matlab", "1"][..], "fact-set"),
        (&["fact", "list"], "facts"),
        (&["fact", "delete", "matlab"], "fact-delete"),
    ] {
        let denied = site.command("launcher", arguments);
        let words = format!("this login may not use whither.{subject}; NATS says: ");
        assert!(denied.code == Some(1) && denied.stderr.contains(&words), "{denied:?}");
    }

    let reloaded = site.command("admin", &["reload"]);
    assert!(reloaded.code == Some(0) && reloaded.stdout.starts_with("reloaded; "), "{reloaded:?}");
    assert_eq!(site.command("admin", &["uncordon", "node-1"]).stdout.trim(), "node-1 uncordoned");
    let history = site.command("admin", &["nodes", "history", "node-1"]);
    assert!(history.stdout.contains("cordoned") && history.stdout.contains("kernel"), "{history:?}");
    let admin = Login::of(&nats.url(), "admin").await;
    let explained = ask(&admin.client, "whither.explain", &json!({})).await.body;
    assert!(explained["node"].is_string(), "{explained}");
    let found = ask(&admin.client, "$SRV.PING.whither", &json!({})).await.body;
    assert_eq!(found["name"], "whither");
    for running in site.agents.iter().chain([&site.service]) {
        assert!(!running.log().contains("Violation") && !running.log().contains("-pw"), "{}", running.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_status_and_logs_of_all_and_asks_each_agent() {
    let nats = one_server();
    let site = Site::start(&[nats.url()], "").await;
    let status = site.command("admin", &["status"]);
    assert!(status.code == Some(0) && status.stdout.contains("2 nodes (2 ready)"), "{status:?}");
    // Agents are in an account of their own, from which all of their answers come back.
    let logs = site.command("admin", &["logs"]);
    for words in [" serve/", " agent/node-1 ", " agent/node-2 ", "node `node-2` is in the cluster"] {
        assert!(logs.stdout.contains(words), "{words}: {logs:?}");
    }
    assert!(!logs.stderr.contains("answered"), "{}", logs.stderr);
    let level = site.command("admin", &["log-level", "debug", "--for", "1m"]);
    assert_eq!((level.code, level.stdout.lines().count()), (Some(0), 3), "{level:?}");
    let admin = Login::of(&nats.url(), "admin").await;
    for node in ["node-1", "node-2"] {
        let answer = ask(&admin.client, &format!("whither.node.{node}.ping"), &json!({})).await.body;
        assert_eq!((&answer["node"], answer["reported"]["revision"].is_u64()), (&node.into(), true), "{answer}");
    }
    for refused in [&["status"][..], &["logs"], &["log-level", "debug"]] {
        let told = site.command("launcher", refused);
        assert!(told.code == Some(1) && told.stderr.contains("this login may not use whither."), "{told:?}");
    }
    for running in site.agents.iter().chain([&site.service]) {
        assert!(!running.log().contains("Violation"), "{}", running.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_freezes_is_dropped() {
    let nats = one_server();
    let settings = Connection {
        servers: vec![nats.url().parse().unwrap()],
        logins: vec![whither::config::Login::Password { user: "service".to_owned(), password: "service-pw".into() }],
        ..Connection::default()
    };
    assert_eq!(frozen::is_kept(settings).await, Some(false));
}

/// What a user may neither publish on nor listen to.
async fn may_not(url: &str, user: &str, publish: &[&str], hear: &[&str]) {
    let login = Login::of(url, user).await;
    for subject in publish {
        login.may_not_publish(subject).await;
    }
    for subject in hear {
        login.may_not_hear(subject).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_writes_its_own_key_and_nothing_else() {
    let nats = one_server();
    let publish = [
        "$KV.whither_nodes.node-2",
        "$KV.whither_nodes.node-1.x",
        "$KV.whither_marks.node-1",
        "$KV.whither_assignments.ann",
        "$KV.whither_facts.matlab",
        "whither.place",
        "whither.start",
        "whither.node.node-1.start",
        "whither.node.node-2.start",
        "whither.cordon",
        "whither.assign",
        "whither.unassign",
        "whither.assignments",
        "whither.facts",
        "whither.fact-set",
        "whither.fact-delete",
        "whither.events.node-1",
        "whither.peers.x",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.KV_whither_nodes",
        "$JS.API.STREAM.PURGE.KV_whither_nodes",
        "$JS.API.STREAM.MSG.GET.KV_whither_nodes",
        "$JS.API.DIRECT.GET.KV_whither_nodes.$KV.whither_nodes.node-2",
        "$JS.API.CONSUMER.CREATE.KV_whither_nodes.x",
        "_INBOX.launcher.x",
        "$SRV.PING",
        "whither.status",
        "whither.logs",
        "whither.log-level",
        "whither.accept",
        "whither.forget",
        "whither.node.node-2.ping",
    ];
    let hear = [
        ">",
        "whither.>",
        "whither.place",
        "whither.start",
        "whither.node.>",
        "whither.node.*.start",
        "whither.node.node-2.start",
        "whither.status",
        "whither.node.node-2.ping",
        "$KV.whither_nodes.>",
        "$KV.whither_nodes.node-2",
        "_INBOX.>",
        "_INBOX.node-2.>",
        "_INBOX.launcher.>",
        "$JS.API.>",
    ];
    may_not(&nats.url(), "node-1", &publish, &hear).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_asks_and_reads_its_own_inbox() {
    let nats = one_server();
    let publish = [
        "$KV.whither_nodes.node-1",
        "$KV.whither_marks.node-1",
        "$KV.whither_assignments.ann",
        "$KV.whither_facts.matlab",
        "whither.cordon",
        "whither.uncordon",
        "whither.assign",
        "whither.unassign",
        "whither.assignments",
        "whither.facts",
        "whither.fact-set",
        "whither.fact-delete",
        "whither.reload",
        "whither.decision",
        "whither.drain",
        "whither.nodes",
        "whither.node.node-1.start",
        "whither.status",
        "whither.logs",
        "whither.log-level",
        "whither.accept",
        "whither.forget",
        "whither.node.node-1.ping",
        "whither.events.node-1",
        "whither.peers.x",
        "$JS.API.STREAM.DELETE.KV_whither_nodes",
        "$JS.API.CONSUMER.CREATE.whither_events.x",
        "_INBOX.admin.x",
    ];
    let hear = [
        ">",
        "whither.>",
        "whither.place",
        "whither.start",
        "whither.node.>",
        "whither.node.node-1.start",
        "whither.logs",
        "whither.peers.>",
        "_INBOX.>",
        "_INBOX.admin.>",
        "_INBOX.service.>",
        "$KV.>",
    ];
    may_not(&nats.url(), "launcher", &publish, &hear).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_decides_on_nodes_through_the_service_alone() {
    let nats = one_server();
    let publish = [
        "whither.place",
        "whither.start",
        "whither.node.node-1.start",
        "whither.release",
        "whither.node.node-1.other",
        "whither.peers.x",
        "whither.events.node-1",
        "$KV.whither_nodes.node-1",
        "$KV.whither_marks.node-1",
        "$KV.whither_assignments.ann",
        "$KV.whither_facts.matlab",
        "$JS.API.STREAM.DELETE.KV_whither_marks",
        "$JS.API.STREAM.DELETE.KV_whither_assignments",
        "$JS.API.CONSUMER.CREATE.KV_whither_nodes.x",
        "_INBOX.launcher.x",
    ];
    let hear = [
        ">",
        "whither.>",
        "whither.place",
        "whither.logs",
        "whither.node.>",
        "whither.node.node-1.start",
        "_INBOX.>",
        "_INBOX.launcher.>",
        "$KV.>",
    ];
    may_not(&nats.url(), "admin", &publish, &hear).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_invents_no_nodes_and_reads_no_launchers_answers() {
    let nats = one_server();
    // It starts nothing by itself but what a node is asked for: no start, and no other word to a node.
    let publish = [
        "$KV.whither_nodes.node-1",
        "whither.start",
        "whither.logs",
        "whither.node.node-1",
        "whither.node.node-1.stop",
        "whither.node.node-1.ping",
        "elsewhere",
    ];
    may_not(&nats.url(), "service", &publish, &[">", "_INBOX.>", "_INBOX.launcher.>"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_not_let_in_and_operators_hear_nothing() {
    let nats = one_server();
    let refused = |options: ConnectOptions| async { options.connect(nats.url()).await.unwrap_err().to_string() };
    let as_user = |user: &str, password: &str| ConnectOptions::with_user_and_password(user.into(), password.into());
    for options in [
        ConnectOptions::new(),
        ConnectOptions::with_token("launcher-pw".to_owned()),
        as_user("launcher", "admin-pw"),
        as_user("launcher", ""),
        as_user("nobody", "launcher-pw"),
    ] {
        let said = refused(options).await;
        assert!(said.contains("authorization violation"), "{said}");
    }
    let site = Site::start(&[nats.url()], "").await;
    // Another account, which the requests of this one do not reach.
    let operator = Login::of(&nats.url(), "operator").await;
    let order = operator.client.request("whither.node.node-1.start", "{}".into()).await;
    assert!(order.is_err(), "nobody is there: {order:?}");
    let mut heard = operator.client.subscribe("whither.>").await.unwrap();
    operator.client.flush().await.unwrap();
    let launcher = Login::of(&nats.url(), "launcher").await;
    assert!(ask(&launcher.client, "whither.place", &json!({})).await.code.is_none());
    assert!(ask(&launcher.client, "whither.start", &json!({})).await.code.is_none());
    operator.client.publish("whither.marker", "".into()).await.unwrap();
    let first = futures_util::StreamExt::next(&mut heard).await.unwrap();
    assert_eq!(first.subject.as_str(), "whither.marker");
    drop(site);
}
