//! Components that misbehave, in a real service: each gets its own error, the next request its node, and the worker
//! lives on.

use serde_json::json;

use crate::support::components;
use crate::support::serve::{ask, site};
use crate::support::shell::Shell;

/// Who asks, what the error is called, with its limit, and words of the message.
const CASES: &[(&str, &str, &str)] = &[
    ("loops", "script-limit time", "used up its CPU time"),
    ("fills", "script-limit time", "used up its CPU time"),
    ("logs-without-end", "script-limit time", "used up its CPU time"),
    ("grows", "script-limit memory", "more than 32 MiB of memory"),
    ("recurses", "script-error", "the component trapped: "),
    ("traps", "script-error", "wasm `unreachable` instruction executed"),
    ("divides", "script-error", "attempt to divide by zero"),
    ("panics", "script-error", "no licences"),
    ("indexes", "script-error", "the len is 4 but the index is 1000000"),
    ("returns-10-MB", "bad-verdict", "a list of 2621440 rows"),
    ("fails-at-length", "script-error", "xxx"),
    ("asks-the-clock", "script-error", "wasi:clocks/wall-clock"),
    ("reads-a-file", "script-error", "wasi:filesystem/preopens"),
];

#[tokio::test]
async fn each_gets_its_own_error_and_the_worker_lives_on() {
    let path = components::path("hostile");
    // On a busy machine the wall time could run out before the CPU time, which is what is looked at here.
    let mut chains = "[limits]\nwall_factor = 100\n".to_owned();
    for (action, isolation) in [("warm", "warm"), ("fresh", "fresh")] {
        let script = path.display();
        chains += &format!("[chain.{action}]\nsteps = [{{ script = \"{script}\", isolation = \"{isolation}\" }}]\n");
    }
    let (_nats, serve, client) = site(&chains, &[], 4).await;
    let before = serve.children();
    for action in ["warm", "fresh"] {
        let question = |who: &str| json!({"action": action, "user": {"login": who}});
        for (who, expected, words) in CASES {
            let reply = ask(&client, "whither.place", &question(who)).await;
            let error = &reply.body["error"];
            let name = format!("{} {}", error["name"].as_str().unwrap(), error["limit"].as_str().unwrap_or_default());
            assert_eq!(name.trim(), *expected, "{who}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(words) && message.len() < 10_000, "{who}: {message}");
            let next = ask(&client, "whither.place", &question("good")).await;
            assert_eq!(next.body["node"], "n00", "after {who}: {:?}", next.body);
        }
        // It writes over all that it knows and says nothing; whoever comes next finds a new instance.
        let ruined = ask(&client, "whither.place", &question("writes-through-a-stale-column")).await;
        assert!(ruined.body["error"].is_object(), "{:?}", ruined.body);
        let next = ask(&client, "whither.place", &question("good")).await;
        assert_eq!(next.body["node"], "n00", "{:?}", next.body);
    }
    assert_eq!(serve.children(), before, "no worker and no runner died");
}

#[test]
fn one_that_never_starts_is_named() {
    let shell = Shell::new();
    shell.write("nodes.json", r#"[{"id": "a"}]"#);
    let path = components::path("never-starts");
    let told = shell.whither(["place", "--nodes", "nodes.json", "--script", path.to_str().unwrap()]);
    assert_eq!(told.code, Some(4), "{}", told.stderr);
    assert!(told.stderr.contains("never_starts.wasm: the component takes too long to start"), "{}", told.stderr);
}
