//! Starts that work, asked for over NATS and from the shell.

use serde_json::json;

use super::site::{GATE, SESSION, StartSite};
use crate::support::eventually;
use crate::support::shell::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn a_start_ends_as_a_running_session_in_the_node_list() {
    let site = StartSite::start().await;
    let agent = site.agent("n1", SESSION).await;
    let reply = site.ask_with(json!({"user": {"login": "ann"}, "start": {"command": "xterm"}})).await;
    assert_eq!(reply.code, None, "{}", reply.body);
    let body = reply.body;
    assert_eq!(
        (&body["state"], &body["node"], &body["result"]),
        (&json!("started"), &json!("n1"), &json!({"display": 7}))
    );
    let reservation = body["reservation"].as_str().unwrap();
    let session = site.reported("n1", reservation).await;
    assert!(super::site::is_running(&session["pid"].to_string()));
    assert_eq!(site.started(), [reservation]);
    assert_eq!(site.serve.figure("whither_starts_total{outcome=\"started\"}"), Some(1.0));
    assert!(agent.log().contains("there is no --start-runner: every start runs as the user of this agent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_runs_as_the_user_who_asked() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root may start a process of another user");
        return;
    }
    let site = StartSite::start().await;
    let runner = "setpriv --reuid={user} --regid=65534 --clear-groups --";
    let agent = site.agent_with("n1", SESSION, &["--start-runner", runner]).await;
    let reply = site.ask("nobody").await;
    assert_eq!(reply.body["state"], "started", "{}", reply.body);
    let session = site.reported("n1", reply.body["reservation"].as_str().unwrap()).await;
    assert_eq!(session["user"], "nobody");
    let status = std::fs::read_to_string(format!("/proc/{}/status", session["pid"])).unwrap();
    assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    assert!(agent.log().contains("each start runs as the requesting user, by `setpriv --reuid={user}"));

    // Who is no user of the machine, or might be an option or root, starts nothing, and no node is to blame.
    for login in ["-c", "root", "0", "#0", "a b", ""] {
        let reply = site.ask(login).await;
        assert_eq!(reply.body["error"]["name"], "bad-request", "{login}: {}", reply.body);
    }
    let unknown = site.ask("no-such-user-here").await;
    assert_eq!(unknown.body["error"]["tries"][0]["reason"], "exit", "{}", unknown.body);
    assert_eq!(site.started().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_tells_each_step_and_prints_the_node() {
    let site = StartSite::start().await;
    let _broken = site.agent("n1", "echo broken >&2; exit 3").await;
    let _good = site.agent("n2", SESSION).await;
    let shell = Shell::new().with("WHITHER_NATS", &site.nats.url());
    let told = tokio::task::spawn_blocking(move || {
        let start = r#"{"command": "xterm"}"#;
        shell.whither(["start", "--user", "ann", "--group", "cad", "--start", start])
    });
    let told = told.await.unwrap();
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "n2\n"), "{told:?}");
    let lines: Vec<_> = told.stderr.lines().collect();
    assert_eq!(lines[..2], ["placing…", "starting on n1…"], "{told:?}");
    assert!(lines[2].starts_with("n1: ") && lines[2].ends_with("ended with exit status: 3: broken"), "{told:?}");
    assert_eq!(lines[3..], ["next node…", "starting on n2…", r#"started on n2: {"display":7}"#], "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_prints_the_reply_and_the_texts_of_nodes() {
    let site = StartSite::start().await;
    let _agent =
        site.agent("n1", "grep -q licence && echo 'No licence\u{1b}[31m is left' || echo '{\"result\": 1}'").await;
    let whither = |arguments: &[&str]| {
        let shell = Shell::new().with("WHITHER_NATS", &site.nats.url());
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        tokio::task::spawn_blocking(move || shell.whither(arguments))
    };
    let told = whither(&["start", "--user", "ann", "--json"]).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((told.code, &body["state"], &body["result"]), (Some(0), &json!("started"), &json!(1)), "{told:?}");
    let told = whither(&["start", "--user", "bob", "--start", r#"{"needs": "licence"}"#]).await.unwrap();
    assert_eq!(told.code, Some(7), "{told:?}");
    assert!(told.stdout.starts_with("No licence") && !told.stdout.contains('\u{1b}'), "{told:?}");
    assert!(told.stderr.ends_with("n1 started nothing, and says:\n"), "{told:?}");
    let told = whither(&["start", "--start", "[1]"]).await.unwrap();
    assert!(told.code == Some(2) && told.stderr.contains("it is a list, expected an object"), "{told:?}");
    let told = whither(&["start", "--action", "user/login"]).await.unwrap();
    assert!(told.code == Some(2), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_wait_for_their_turn_on_a_node() {
    let site = StartSite::start().await;
    let _agent = site.agent_with("n1", &format!("{GATE}{SESSION}"), &["--starts-at-once", "1"]).await;
    let logins = ["ann", "bob", "cyd"];
    let asked = logins.map(|login| site.ask(login));
    let opened = async {
        site.at_gate().await;
        eventually("all are placed", async || (site.node("n1").await["pending"] == 3).then_some(())).await;
        site.open_gate();
    };
    let (replies, ()) = tokio::join!(futures_util::future::join_all(asked), opened);
    assert!(replies.iter().all(|reply| reply.body["state"] == "started"), "{replies:?}");
    assert_eq!(site.started().len(), 3);
}
