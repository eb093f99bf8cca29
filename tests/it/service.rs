//! `whither serve` over a real NATS server: what requesters are told, and that nothing is lost whatever dies.

mod brokers;
mod cool_downs;
mod deadlines;
mod explain;
mod lifecycle;
mod limits;

use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, ask_raw, bucket, report, site};
use crate::support::{PATIENCE, eventually};
use async_nats::HeaderMap;
use futures_util::StreamExt;
use serde_json::{Value, json};

const FEWEST: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

#[tokio::test]
async fn a_placement_counts_at_once_and_a_repeated_id_places_nothing_twice() {
    let (_nats, _serve, client) = site(FEWEST, &[], 2).await;
    let first = ask(&client, "whither.place", &json!({"id": "r1", "user": {"login": "ann"}})).await;
    let again = ask(&client, "whither.place", &json!({"id": "r1", "user": {"login": "ann"}})).await;
    let second = ask(&client, "whither.place", &json!({"user": {"login": "ann"}})).await;
    assert_eq!(first.body["node"], "n00");
    assert_eq!(again.body["reservation"], first.body["reservation"]);
    assert_eq!(second.body["node"], "n01", "the first placement counts before any report");
    for field in ["decision", "generation", "decided_by", "chain", "reservation", "expires_in_ms"] {
        assert!(!first.body[field].is_null(), "{field}: {}", first.body);
    }
    let page = ask(&client, "whither.nodes", &json!({})).await.body;
    assert_eq!(page["nodes"][0]["nodeData"]["sessions"][0]["state"], "pending");
    assert_eq!(page["nodes"][0]["nodeData"]["sessions"][0]["user"], "ann");
}

#[tokio::test]
async fn capacity_is_kept_and_freed_by_release_and_by_a_failed_start_only_after_a_pause() {
    let (_nats, _serve, client) = site(FEWEST, &[], 0).await;
    let nodes: Vec<_> =
        (0..4).map(|n| json!({"id": format!("n{n}"), "maxSessions": 1, "nodeData": {"sessions": []}})).collect();
    report(&client, &nodes).await;
    let asks = (0..10).map(|user| {
        let client = client.clone();
        async move { ask(&client, "whither.place", &json!({"user": {"login": format!("u{user}")}})).await }
    });
    let replies = futures_util::future::join_all(asks).await;
    let placed: Vec<_> = replies.iter().filter(|reply| reply.code.is_none()).collect();
    assert_eq!(placed.len(), 4);
    assert!(replies.iter().filter(|reply| reply.code.is_some()).all(|reply| reply.code.as_deref() == Some("503")));
    let refused = replies.iter().find(|reply| reply.code.is_some()).unwrap();
    assert_eq!(refused.body["error"]["name"], "no-node");
    assert_eq!(refused.body["error"]["diagnosis"]["excluded"]["full"]["count"], 4);

    let reservation = &placed[0].body["reservation"];
    assert_eq!(ask(&client, "whither.release", &json!({"reservation": reservation})).await.body["state"], "released");
    assert_eq!(ask(&client, "whither.release", &json!({"reservation": reservation})).await.body["state"], "gone");
    let next = ask(&client, "whither.place", &json!({})).await;
    assert_eq!(next.body["node"], placed[0].body["node"]);
}

/// The place is freed while the question is at a worker, which answers by what it knew before.
#[tokio::test]
async fn a_place_that_is_freed_while_a_request_is_decided_goes_to_it() {
    let chains =
        "[chain.\"session/start\"]\nsteps = [{ script = \"slow.js\", cpu_ms = 20000 }, \"builtin:fewest-sessions\"]\n";
    let slow = "input => { for (let turn = 0; input.data.slow && turn < 1e6; turn++); }";
    let (_nats, _serve, client) = site(chains, &[("slow.js", slow)], 0).await;
    report(&client, &[json!({"id": "n0", "maxSessions": 1, "nodeData": {"sessions": []}})]).await;
    let holder = ask(&client, "whither.place", &json!({})).await.body;
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await.unwrap();
    let slow = json!({"data": {"slow": true}, "wait_ms": 600_000}).to_string();
    client.publish_with_reply("whither.place", inbox, slow.into()).await.unwrap();
    ask(&client, "whither.release", &json!({"reservation": holder["reservation"]})).await;
    let placed = tokio::time::timeout(PATIENCE, replies.next()).await.expect("it is asked again").unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&placed.payload).unwrap()["node"], "n0");
}

/// `logins` start sessions on the node one after the other, and all of them fail.
async fn failures(client: &async_nats::Client, node: &str, logins: &[&str]) {
    for login in logins {
        let request = json!({"user": {"login": login}, "data": {"serverId": node}});
        let placed = ask(client, "whither.place", &request).await.body;
        assert_eq!(placed["node"], node, "{login}: {placed}");
        ask(client, "whither.release", &json!({"reservation": placed["reservation"], "failed": true})).await;
    }
}

#[tokio::test]
async fn a_misspelt_field_is_answered_with_a_warning_or_refused() {
    for (strict, top) in [(false, ""), (true, "[service]\nstrict_requests = true\n")] {
        let (_nats, serve, client) = site(&format!("{top}{FEWEST}"), &[], 2).await;
        let request = json!({"usr": {"login": "ann"}, "rack": 7, "params": {"me": {"login": "bob"}}});
        let told = ask(&client, "whither.place", &request).await.body;
        let warnings = [
            "`usr` is no field of a request; did you mean `user`?",
            "`rack` is no field of a request: nothing but a script can look at it",
        ];
        match strict {
            false => assert_eq!((&told["node"], &told["warnings"]), (&json!("n00"), &json!(warnings))),
            true => assert_eq!(told["error"]["message"], warnings.join("; ")),
        }
        assert_eq!(serve.figure("whither_strange_requests_total"), Some(1.0));
        let told = ask(&client, "whither.place", &json!({"user": {"login": "ann"}, "wait_ms": 5})).await.body;
        assert_eq!(told["warnings"], Value::Null);
    }
}

#[tokio::test]
async fn each_placement_is_a_line_of_the_log_and_can_be_taken_again_on_a_desk() {
    let (_nats, serve, client) = site(FEWEST, &[], 2).await;
    let told = ask(&client, "whither.place", &json!({"user": {"login": "ann"}})).await.body;
    let seed = told["seed"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(told["now"].as_i64().unwrap() > 1_700_000_000_000, "{told}");
    serve.logged(&format!("seed={seed}")).await;
    let log = serve.log();
    let line = log.lines().find(|line| line.contains("placement: placed")).unwrap();
    for part in ["user=ann", "node=n00", "chain=session/start", "step=\"builtin:fewest-sessions\"", "cost_us="] {
        assert!(line.contains(part), "{part} in {line}");
    }
    ask(&client, "whither.cordon", &json!({"node": "n00"})).await;
    ask(&client, "whither.cordon", &json!({"node": "n01"})).await;
    ask(&client, "whither.place", &json!({"user": {"login": "bob"}, "wait_ms": 10})).await;
    serve.logged("not placed user=bob").await;
}

#[tokio::test]
async fn a_report_ends_the_reservation_that_it_shows() {
    let (_nats, _serve, client) = site(FEWEST, &[], 1).await;
    let placed = ask(&client, "whither.place", &json!({"user": {"login": "ann"}})).await.body;
    ask(&client, "whither.confirm", &json!({"reservation": placed["reservation"]})).await;
    let session = json!({"id": "s1", "user": "ann", "reservation": placed["reservation"]});
    let document = json!({"id": "n00", "nodeData": {"sessions": [session]}});
    bucket(&client).await.put("n00", document.to_string().into()).await.unwrap();
    eventually("one session and nothing pending", async || {
        let node = ask(&client, "whither.nodes", &json!({"node": "n00"})).await.body["nodes"][0].clone();
        (node["sessions"] == 1 && node["pending"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn bad_requests_are_named_and_nothing_else_is_lost() {
    let (_nats, _serve, client) = site(FEWEST, &[], 1).await;
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(16_000), "]".repeat(16_000));
    let large = format!("{{\"data\":{{\"x\":\"{}\"}}}}", "x".repeat(1_040_000));
    for (subject, body, code, words) in [
        ("whither.place", "{\"user\":", "400", "not valid JSON"),
        ("whither.place", "[]", "400", "must be a JSON object"),
        ("whither.place", "{\"user\":{\"login\":\"a\"},\"isAdmin\":7}", "400", "isAdmin"),
        ("whither.place", deep.as_str(), "400", "nested deeper than 64"),
        ("whither.place", large.as_str(), "", ""),
        ("whither.place", "{\"action\":\"no/such\"}", "404", "session/start"),
        ("whither.explain", "\u{7f}", "400", "JSON"),
        ("whither.nodes", "{\"limit\":-1}", "400", "`-1`, expected a whole number"),
        ("whither.confirm", "{}", "400", "the request has no `reservation`"),
        ("whither.cordon", "{\"node\":\"nowhere\"}", "422", "nowhere"),
    ] {
        let reply = ask_raw(&client, subject, body.as_bytes().to_vec(), HeaderMap::new()).await;
        assert_eq!(reply.code.as_deref().unwrap_or(""), code, "{subject} {body:.60}: {}", reply.body);
        let message = reply.body["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{subject} {body:.60}: {message}");
    }
    assert_eq!(ask_raw(&client, "whither.place", Vec::new(), HeaderMap::new()).await.body["node"], "n00");
}

#[tokio::test]
async fn an_id_that_nobody_was_told_ends_nothing_and_guessing_is_slowed_down() {
    let (_nats, serve, client) = site(FEWEST, &[], 1).await;
    let placed = ask(&client, "whither.place", &json!({"user": {"login": "ann"}})).await.body;
    let id = placed["reservation"].as_str().unwrap();
    let (replica, random) = id.rsplit_once('-').unwrap();
    assert_eq!(random.len(), 26, "{id}");
    // Whoever asks twice learns nothing of what others were told.
    let next = ask(&client, "whither.place", &json!({"user": {"login": "bob"}})).await.body;
    let next = next["reservation"].as_str().unwrap();
    assert_eq!(next.rsplit_once('-').unwrap().0, replica);
    let other = if random.starts_with('0') { '1' } else { '0' };
    let guesses = [
        format!("{replica}-1"),
        format!("{replica}-{other}{}", &random[1..]),
        id[..id.len() - 1].to_owned(),
        format!("{id}0"),
        id.to_uppercase(),
        format!("{id} "),
        random.to_owned(),
        String::new(),
        "x".repeat(60_000),
    ];
    for guess in guesses {
        for subject in ["whither.release", "whither.confirm"] {
            let told = ask(&client, subject, &json!({"reservation": guess, "failed": true})).await;
            assert_eq!((told.code, &told.body["state"]), (None, &json!("gone")), "{guess:.80}");
        }
    }
    let refused = "whither_refused_unknown_total";
    let guess = json!({"reservation": format!("{replica}-{:026}", 7)}).to_string();
    eventually("guessing is refused", async || {
        for _ in 0..2000 {
            client.publish_with_reply("whither.release", "nobody", guess.clone().into()).await.unwrap();
        }
        client.flush().await.unwrap();
        serve.figure(refused).filter(|count| *count > 0.0)
    })
    .await;
    let known = ask(&client, "whither.confirm", &json!({"reservation": id})).await.body;
    assert_eq!(known["state"], "confirmed", "whoever knows an id is never refused");
    let known = ask(&client, "whither.release", &json!({"reservation": id})).await.body;
    assert_eq!(known["state"], "released");
    assert_eq!(ask(&client, "whither.release", &json!({"reservation": id})).await.body["state"], "gone");
    serve.logged("is somebody guessing?").await;
}

#[tokio::test]
async fn where_the_list_was_never_read_the_answer_and_readiness_say_why() {
    let nats = Nats::with(&[]);
    let serve = Serve::spawn(&nats, FEWEST, &[]);
    let client = nats.client().await;
    let why = "the node list is not known: NATS has no JetStream here";
    eventually("readiness says why", async || serve.health()["notes"].to_string().contains(why).then_some(())).await;
    let refused = eventually("an answer", async || client.request("whither.place", "{}".into()).await.ok()).await;
    let refused: Value = serde_json::from_slice(&refused.payload).unwrap();
    assert_eq!(refused["error"]["name"], "internal");
    assert!(refused["error"]["message"].as_str().unwrap().starts_with(why), "{refused}");
}

#[tokio::test]
async fn cordon_takes_a_node_out_and_explain_says_so() {
    let (_nats, _serve, client) = site(FEWEST, &[], 2).await;
    let told = ask(&client, "whither.cordon", &json!({"node": "n00", "reason": "fan"})).await.body;
    assert_eq!(told["state"], "cordoned");
    let explained = ask(&client, "whither.explain", &json!({"node": "n00"})).await.body;
    assert_eq!(explained["node"], "n01");
    assert_eq!(explained["excluded"]["cordoned"]["nodes"][0], "n00");
    assert_eq!(explained["asked"]["fate"], "it cannot take the request: cordoned");
    let again = ask(&client, "whither.explain", &json!({})).await.body;
    assert_eq!(again["node"], "n01", "explaining reserves nothing");
    ask(&client, "whither.uncordon", &json!({"node": "n00"})).await;
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["node"], "n00");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_name_their_form_and_time_decisions_without_the_wait_for_a_node() {
    let (_nats, serve, client) = site(FEWEST, &[], 0).await;
    let full = json!({"id": "full", "maxSessions": 0, "nodeData": {"sessions": []}});
    report(&client, &[full]).await;
    let start = std::time::Instant::now();
    let told = ask(&client, "whither.place", &json!({"wait_ms": 2000})).await;
    let elapsed = start.elapsed().as_secs_f64();
    assert_eq!(told.body["error"]["name"], "no-node", "{}", told.body);
    let sum = serve.figure("whither_decision_seconds_sum{chain=\"session/start\"}").unwrap();
    assert!(elapsed - sum > 1.5, "{elapsed} s passed, of which {sum} s were spent on the decision");
    let version = concat!("whither_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    for name in [version, "whither_ready", "whither_bus_up"] {
        assert_eq!(serve.figure(name), Some(1.0), "{name}");
    }
    for (accepts, form) in [
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
    ] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", serve.http())).unwrap();
        let asked = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accepts}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, asked.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.contains(&format!("content-type: {form}\r\n")) && answer.ends_with("# EOF\n"), "{answer}");
    }
}

/// Documents as the field has them, written straight into the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn odd_nodes_are_named_in_the_log_and_end_no_placement() {
    let (_nats, serve, client) = site(FEWEST, &[], 0).await;
    let text = "x".repeat(200_000);
    report(
        &client,
        &[
            json!({"id": "gone", "available": false, "sessions": 0}),
            json!({"id": "idle", "metadata": {"weight": 0}, "sessions": 0}),
            json!({"id": "below", "freemem": -1, "sessions": -3}),
            json!({"id": "large", "sessions": "4", "metadata": {"text": text}}),
        ],
    )
    .await;
    for words in [
        "node `gone`: `available` is false: it takes no requests",
        "node `idle`: `weight` is 0: it takes no new sessions",
        "node `below`: `freemem` is -1, which counts as unknown",
        "node `below`: `sessions` is -3, which counts as unknown",
        "node `large`: `sessions` is text, which is taken for a number",
    ] {
        serve.logged(words).await;
    }
    let placed = ask(&client, "whither.place", &json!({})).await.body;
    assert_eq!(placed["node"], "large", "{placed}");
}

/// Whoever reaches the HTTP port may open connections and say half a word: they are bounded, and a probe is answered.
#[tokio::test]
async fn half_requests_take_neither_the_health_check_nor_the_descriptors() {
    let (mut nats, serve, client) = site(FEWEST, &[], 2).await;
    let halves: Vec<_> = (0..300)
        .map(|_| {
            let mut half = std::net::TcpStream::connect(("127.0.0.1", serve.http())).unwrap();
            std::io::Write::write_all(&mut half, b"GET /healthz HTTP/1.1\r\nX: y\r\n").unwrap();
            half.set_nonblocking(true).unwrap();
            half
        })
        .collect();
    assert_eq!(serve.get("/healthz"), (200, "ok\n".to_owned()));
    // Asked of the connections: the service's own table of them is nobody's to look at.
    let is_open = |half: &std::net::TcpStream| {
        half.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    eventually("no more than its bound is open", async || {
        (halves.iter().filter(|half| is_open(half)).count() <= 64).then_some(())
    })
    .await;
    nats.restart();
    eventually("NATS is reached again", async || {
        let answer = client.request("whither.place", "{}".into()).await.ok()?;
        serde_json::from_slice::<Value>(&answer.payload).ok()?["node"].is_string().then_some(())
    })
    .await;
    drop(halves);
}
