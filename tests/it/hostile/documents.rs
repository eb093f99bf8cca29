//! Hostile JSON at each place where it comes in: requests over NATS, node documents in the bucket, node files.

use async_nats::HeaderMap;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, ask_raw, bucket, plain_nodes, report};
use crate::support::shell::Shell;

const CHAINS: &str = "[chain.\"user/login\"]\nsteps = [{ script = \"pick.js\", cpu_ms = 5000 }]\n";
const PICK: &str = "input => input.nodes.filter(node => node.id === 'n01')[0].id";

/// What the bucket takes.
const MAX_DOCUMENT: usize = 64 * 1024;

/// Values that no parser, mirror or script should be shown.
fn refused_values() -> Vec<(&'static str, String)> {
    let nested = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    vec![
        ("lists, just too deep", nested("[", "]", 65)),
        ("lists", nested("[", "]", 16_000)),
        ("lists that never close", "[".repeat(100_000)),
        ("objects", nested("{\"a\":", "}", 16_000)),
        ("objects that never close", "{\"a\":".repeat(60_000)),
        ("both", nested("[{\"a\":", "}]", 10_000)),
        ("blanks between", nested("[ \n\t", "]", 16_000)),
        ("closed too often", format!("1{}", "]".repeat(1_000))),
        ("a text that never ends", "\"aaaa".to_owned()),
        ("half an escape", "\"\\u12\"".to_owned()),
        ("an escape that hides the end", "\"\\".to_owned()),
        ("a number that is none", "NaN".to_owned()),
        ("a number that never ends its exponent", "1e".to_owned()),
        ("a control character", "\"a\u{1}b\"".to_owned()),
        ("a comma too many", "[1,]".to_owned()),
        ("nothing", String::new()),
    ]
}

/// Values that are odd and all right; the request that carries one is answered as if it did not.
fn borne_values() -> Vec<(&'static str, String)> {
    vec![
        ("brackets in a text", format!("\"{}\"", "[{".repeat(10_000))),
        ("escaped quotes and brackets in a text", format!("\"{}\"", "\\\"[".repeat(10_000))),
        ("nested within measure", format!("{}{}", "[".repeat(50), "]".repeat(50))),
        ("a pair of escapes", "\"\\ud83d\\ude00\"".to_owned()),
        (
            "names of prototypes",
            r#"{"__proto__": {"nodes": 1}, "constructor": {"prototype": {}}, "toString": null}"#.to_owned(),
        ),
        ("a name twice", r#"{"a": 1, "a": {"a": 2}}"#.to_owned()),
        ("an empty name", r#"{"": {"": ""}}"#.to_owned()),
        ("large numbers", "[1e308, -1e308, 9007199254740993, 18446744073709551615, -9223372036854775808]".to_owned()),
        ("many small values", format!("[{}0]", "0,".repeat(10_000))),
        ("many names", {
            let names: Vec<_> = (0..2_000).map(|n| format!("\"k{n}\":{n}")).collect();
            format!("{{{}}}", names.join(","))
        }),
    ]
}

#[tokio::test]
async fn hostile_requests_and_documents_cost_nobody_else() {
    let nats = Nats::start();
    let mut serve = Serve::start(&nats, CHAINS, &[("pick.js", PICK)]).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(3)).await;
    let worker = serve.children();
    for (name, value) in refused_values() {
        for body in [
            format!("{{\"action\": \"user/login\", \"data\": {{\"x\": {value}}}}}"),
            format!("{{\"x\": {value}, \"action\": \"user/login\"}}"),
            format!("{{\"action\": \"user/login\", \"user\": {value}}}"),
            value,
        ] {
            for subject in ["whither.place", "whither.explain"] {
                let reply = ask_raw(&client, subject, body.clone().into_bytes(), HeaderMap::new()).await;
                // A message without a word in it is a request with every default, and there is no chain for those.
                let code = if body.trim().is_empty() { "404" } else { "400" };
                assert_eq!(reply.code.as_deref(), Some(code), "{subject}, {name}: {:.300}", reply.body.to_string());
            }
        }
    }
    for (name, value) in borne_values() {
        let body = format!("{{\"action\": \"user/login\", \"data\": {{\"x\": {value}}}, \"y\": {value}}}");
        let reply = ask_raw(&client, "whither.place", body.into_bytes(), HeaderMap::new()).await;
        assert_eq!(reply.body["node"], "n01", "{name}: {:.300}", reply.body.to_string());
    }
    let (bucket, mut before) = (bucket(&client).await, 0);
    for (name, value) in refused_values() {
        let document =
            format!("{{\"id\": \"n01\", \"nodeData\": {{\"sessions\": []}}, \"metadata\": {{\"x\": {value}}}}}");
        if document.len() > MAX_DOCUMENT {
            continue;
        }
        bucket.put("n01", document.into()).await.unwrap();
        before = eventually(name, async || Some(refusals(&serve)).filter(|count| *count > before)).await;
        let login = json!({"action": "user/login"});
        assert_eq!(ask(&client, "whither.place", &login).await.body["node"], "n01", "{name}: its last report counts");
    }
    for (name, value) in borne_values() {
        let document =
            format!("{{\"id\": \"n01\", \"mark\": \"{name}\", \"metadata\": {{\"x\": {value}}}, \"y\": {value}}}");
        if document.len() > MAX_DOCUMENT {
            continue;
        }
        bucket.put("n01", document.into()).await.unwrap();
        eventually(name, async || {
            let node = ask(&client, "whither.nodes", &json!({"node": "n01"})).await.body["nodes"][0].clone();
            (node["mark"] == name).then_some(())
        })
        .await;
        let login = json!({"action": "user/login"});
        assert_eq!(ask(&client, "whither.place", &login).await.body["node"], "n01", "{name}");
    }
    serve.must_run();
    assert_eq!(serve.children(), worker, "no worker died of any of it");
    assert_eq!(serve.get("/healthz").0, 200);
}

/// How many documents the service has refused.
fn refusals(serve: &Serve) -> u64 {
    let metrics = serve.get("/metrics").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix("whither_refused_documents_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[test]
fn hostile_node_files_end_with_a_message() {
    let shell = Shell::new();
    shell.write("pick.js", PICK);
    let place = |nodes: &str| {
        shell.write("nodes.json", nodes);
        shell.whither(["place", "--nodes", "nodes.json", "--script", "pick.js"])
    };
    for (name, value) in refused_values() {
        for nodes in [
            format!("[{{\"id\": \"n01\", \"metadata\": {{\"x\": {value}}}}}]"),
            format!("[{{\"x\": {value}, \"id\": \"n01\"}}]"),
            value.clone(),
        ] {
            let told = place(&nodes);
            assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{name}, {nodes:.60}: {}", told.last_words());
            assert!(told.stderr.contains("nodes.json"), "{name}: {}", told.last_words());
            assert!(told.stderr.len() < 5_000, "{name}: {} bytes", told.stderr.len());
        }
        // Of a FastX document, what is not its nodes is read as the request.
        let told = place(&format!("{{\"nodes\": [{{\"id\": \"n01\"}}], \"x\": {value}}}"));
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{name}: {}", told.last_words());
    }
    for (name, value) in borne_values() {
        let told = place(&format!("[{{\"id\": \"n01\", \"metadata\": {{\"x\": {value}}}, \"y\": {value}}}]"));
        assert_eq!((told.code, told.stdout.as_str()), (Some(0), "n01\n"), "{name}: {}", told.last_words());
    }
    let mixed: Value = json!([{"id": "n01"}, {"id": "n01"}]);
    let told = place(&mixed.to_string());
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "n01\n"), "one id twice: {}", told.last_words());
    assert!(told.stderr.contains("node number 2 is left out"), "{}", told.stderr);
}
