//! `whither serve` over a real NATS server: what requesters are told, and that nothing is lost whatever dies.

mod brokers;
mod explain;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, ask_raw, bucket, nodes, plain_nodes, report, site, storm};
use crate::support::shell::Shell;
use crate::support::{PATIENCE, eventually};
use async_nats::HeaderMap;
use futures_util::StreamExt;
use rustix::process::{Signal, kill_process};
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

const PINNED: &str = "[chain.\"session/start\"]\nsteps = [\"pin.js\", \"builtin:fewest-sessions\"]\n";
const PIN: (&str, &str) = ("pin.js", "input => input.data.serverId");

#[tokio::test]
async fn a_users_broken_profile_keeps_that_user_off_a_node_and_nobody_else() {
    let (_nats, serve, client) = site(PINNED, &[PIN], 3).await;
    let place = async |login: &str| ask(&client, "whither.place", &json!({"user": {"login": login}})).await.body;
    failures(&client, "n00", &["joe"]).await;
    failures(&client, "n01", &["joe"]).await;
    assert_eq!(place("joe").await["node"], "n02");
    let explained = ask(&client, "whither.explain", &json!({"user": {"login": "JOE"}, "node": "n00"})).await.body;
    assert_eq!(explained["excluded"]["cooling-down"]["count"], 2);
    assert_eq!(place("mia").await["node"], "n00", "it works for everybody else");
    failures(&client, "n02", &["joe"]).await;
    let last = place("joe").await;
    assert!(last["node"].is_string(), "no other node is left: {last}");
    serve.shows_nodes(json!({"ready": 3})).await;
}

#[tokio::test]
async fn a_node_where_the_starts_of_several_users_failed_is_chosen_last() {
    let (_nats, serve, client) = site(PINNED, &[PIN], 2).await;
    failures(&client, "n00", &["joe", "mia"]).await;
    serve.shows_nodes(json!({"cooling-down": 1, "ready": 1})).await;
    for login in ["ann", "bob", "cy"] {
        assert_eq!(ask(&client, "whither.place", &json!({"user": {"login": login}})).await.body["node"], "n01");
    }
    ask(&client, "whither.cordon", &json!({"node": "n01"})).await;
    assert_eq!(ask(&client, "whither.place", &json!({"user": {"login": "ann"}})).await.body["node"], "n00");
    ask(&client, "whither.uncordon", &json!({"node": "n00"})).await;
    assert_eq!(ask(&client, "whither.place", &json!({"user": {"login": "joe"}})).await.body["node"], "n00");
}

#[tokio::test]
async fn where_the_config_says_so_a_node_that_cools_down_takes_nothing() {
    let service = "[service]\ncooldown = \"out\"\ncooldown_users = 1\n";
    let (_nats, serve, client) = site(&format!("{service}{PINNED}"), &[PIN], 1).await;
    failures(&client, "n00", &["joe"]).await;
    serve.shows_nodes(json!({"cooling-down": 1})).await;
    let refused = ask(&client, "whither.place", &json!({"user": {"login": "mia"}})).await.body;
    assert_eq!(refused["error"]["diagnosis"]["excluded"]["cooling-down"]["count"], 1, "{refused}");
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
async fn a_passed_deadline_is_not_run_and_a_strange_one_is_ignored() {
    let (_nats, serve, client) = site(FEWEST, &[], 1).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let with_deadline = |ms: u128| {
        let mut headers = HeaderMap::new();
        headers.insert("Whither-Deadline", ms.to_string());
        ask_raw(&client, "whither.place", b"{}".to_vec(), headers)
    };
    assert_eq!(with_deadline((now - Duration::from_secs(5)).as_millis()).await.code.as_deref(), Some("429"));
    assert!(with_deadline((now + Duration::from_secs(60)).as_millis()).await.code.is_none());
    assert!(with_deadline((now - Duration::from_secs(7200)).as_millis()).await.code.is_none());
    let metrics = serve.get("/metrics").1;
    assert!(metrics.contains("whither_past_deadline_total 1"), "{metrics}");
    assert!(metrics.contains("whither_strange_deadlines_total 1"), "{metrics}");
    // The two that were run were found in an order of the nodes, each at its first look.
    assert!(metrics.contains("whither_index_scans_total 2"), "{metrics}");
    assert!(metrics.contains("whither_looked_at_total 2"), "{metrics}");
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
async fn a_timeout_counts_from_the_receipt_whatever_the_deadline_says() {
    let (_nats, serve, client) = site(FEWEST, &[], 1).await;
    let with = |pairs: &[(&str, &str)]| {
        let mut headers = HeaderMap::new();
        pairs.iter().for_each(|(name, value)| headers.insert(*name, *value));
        ask_raw(&client, "whither.place", b"{}".to_vec(), headers)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let passed = (now - Duration::from_secs(5)).as_millis().to_string();
    let deadline = ("Whither-Deadline", &*passed);
    assert_eq!(with(&[deadline]).await.code.as_deref(), Some("429"));
    for timeout in ["60000", " 60000 ", "18446744073709551615"] {
        let told = with(&[deadline, ("Whither-Timeout", timeout)]).await;
        assert!(told.code.is_none(), "{timeout:?}: {}", told.body);
    }
    assert_eq!(with(&[("Whither-Timeout", "0")]).await.code.as_deref(), Some("429"));
    for nonsense in ["", "-1", "5.5", "soon", "99999999999999999999999"] {
        assert_eq!(with(&[("Whither-Timeout", nonsense)]).await.code.as_deref(), Some("400"), "{nonsense:?}");
    }
    // The extremes of the number are moments that no right clock tells.
    for (header, no_time, words) in [
        ("Whither-Deadline", i64::MIN.to_string(), "expected Unix milliseconds"),
        ("Whither-Deadline", "1764390000".to_owned(), "this looks like seconds"),
        ("Whither-Deadline", "soon".to_owned(), "is `soon`"),
        ("Whither-Timeout", "2s".to_owned(), "a whole number of milliseconds"),
    ] {
        let refused = with(&[(header, &no_time)]).await;
        let message = refused.body["error"]["message"].as_str().unwrap_or_default();
        assert!(refused.code.as_deref() == Some("400") && message.contains(words), "{}", refused.body);
    }
    for strange in [i64::MAX - 1, i64::MAX] {
        assert!(with(&[("Whither-Deadline", &strange.to_string())]).await.code.is_none(), "{strange}");
    }
    assert_eq!(serve.figure("whither_strange_deadlines_total"), Some(2.0));
    assert_eq!(serve.figure("whither_expired_on_arrival_total"), Some(1.0));
    assert_eq!(serve.figure("whither_past_deadline_total"), Some(2.0));
}

#[tokio::test]
async fn where_deadlines_mostly_arrive_expired_the_notes_say_so() {
    let (_nats, serve, client) = site(FEWEST, &[], 1).await;
    assert_eq!(serve.health()["notes"], json!([]), "{}", serve.health());
    // Requesters whose clocks are a minute behind this host's.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("Whither-Deadline", (now - Duration::from_secs(55)).as_millis().to_string());
    for _ in 0..20 {
        let refused = ask_raw(&client, "whither.place", b"{}".to_vec(), headers.clone()).await;
        assert_eq!(refused.code.as_deref(), Some("429"), "{}", refused.body);
    }
    eventually("a note on the clocks", async || {
        serve.health()["notes"].to_string().contains("20 had passed on arrival").then_some(())
    })
    .await;
    assert_eq!(serve.figure("whither_deadlines_mostly_wrong"), Some(1.0));
    serve.logged("is this host's clock right").await;
    assert_eq!(serve.log().matches("is this host's clock right").count(), 1, "{}", serve.log());
    assert_eq!(serve.readyz().0, 200);
    for _ in 0..20 {
        ask(&client, "whither.explain", &json!({})).await;
    }
    assert_eq!(serve.figure("whither_deadlines_mostly_wrong"), Some(1.0), "a request without a deadline says nothing");
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
async fn a_cool_down_by_a_clock_that_is_a_day_ahead_ends_with_its_pause_and_with_an_uncordon() {
    let (_nats, _serve, client) = site(&format!("[service]\ncooldown_s = 1\n{FEWEST}"), &[], 2).await;
    let marks = async_nats::jetstream::new(client.clone()).get_key_value("whither_marks").await.unwrap();
    let tomorrow = (SystemTime::now() + Duration::from_secs(86_400)).duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mark = |pause_ms: u128| {
        let word = json!({"until_ms": tomorrow + pause_ms, "at_ms": tomorrow, "failures": 1, "by": "r", "reason": "x"});
        json!({"cooling_down": word}).to_string()
    };
    let state = async |node: &str| {
        ask(&client, "whither.nodes", &json!({"node": node})).await.body["nodes"][0]["state"].clone()
    };
    marks.put("n00", mark(1000).into()).await.unwrap();
    // Longer than a minute, the longest pause of this replica.
    marks.put("n01", mark(43_200_000).into()).await.unwrap();
    eventually("the other cools down", async || (state("n01").await == "cooling-down").then_some(())).await;
    eventually("a second is over", async || (state("n00").await == "ready").then_some(())).await;
    ask(&client, "whither.uncordon", &json!({"node": "n01"})).await;
    assert_eq!(state("n01").await, "ready");
    assert!(marks.get("n01").await.unwrap().is_none(), "nothing is held against the node any more");
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

fn by_user(number: usize) -> Value {
    json!({"user": {"login": format!("u{number}")}})
}

#[tokio::test]
async fn a_killed_worker_loses_no_request_and_answers_none_twice() {
    let (_nats, serve, client) = site(FEWEST, &[], 20).await;
    let answered = storm(&client, "whither.place", 5000, by_user, async || {
        for _ in 0..3 {
            let worker = eventually("a worker", async || serve.children().first().copied()).await;
            kill_process(worker, Signal::KILL).unwrap();
            eventually("another worker", async || serve.children().iter().any(|child| *child != worker).then_some(()))
                .await;
        }
    })
    .await;
    assert!(answered.values().all(|replies| replies.len() == 1));
    assert!(answered.values().flatten().all(|reply| reply["node"].is_string()), "each is placed");
    let pending: Vec<_> = nodes(&client).await.iter().map(|node| node["pending"].as_u64().unwrap()).collect();
    assert_eq!(pending, [250; 20], "every placement counts once, and the new workers knew of those before");
}

#[tokio::test]
async fn a_stop_answers_what_was_received() {
    let (_nats, mut serve, client) = site(FEWEST, &[], 5).await;
    let answered = {
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
        for number in 0..2000 {
            client.publish_with_reply("whither.place", format!("{inbox}.{number}"), "{}".into()).await.unwrap();
        }
        client.flush().await.unwrap();
        // A message of our own comes back after the server has routed all that stood before it.
        let marker = format!("{inbox}.marker.x");
        let mut back = client.subscribe(marker.clone()).await.unwrap();
        client.publish(marker, "".into()).await.unwrap();
        tokio::time::timeout(PATIENCE, back.next()).await.unwrap();
        let first = tokio::time::timeout(PATIENCE, replies.next()).await.unwrap();
        serve.signal(Signal::TERM);
        assert_eq!(serve.ended().await, Some(0));
        client.flush().await.unwrap();
        let mut answered = usize::from(first.is_some());
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(500), replies.next()).await {
            answered += usize::from(message.status.is_none());
        }
        answered
    };
    assert_eq!(answered, 2000, "all had reached the service's subscription before the signal");
    assert!(serve.log().contains("stopped"));
}

#[tokio::test]
async fn a_reload_takes_over_and_a_broken_one_changes_nothing() {
    let (nats, serve, client) = site(FEWEST, &[], 3).await;
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:no-such\"]\n");
    serve.signal(Signal::HUP);
    serve.logged("the old one stays").await;
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["decided_by"], "builtin:fewest-sessions");
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:round-robin\"]\n");
    serve.signal(Signal::HUP);
    eventually("the new chain decides", async || {
        let placed = ask(&client, "whither.place", &json!({})).await.body;
        (placed["decided_by"] == "builtin:round-robin").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_asked_for_and_its_problems_come_back() {
    let (nats, serve, client) = site(FEWEST, &[], 2).await;
    let url = nats.url();
    let reload = || Shell::new().whither(["reload", "--nats", &url]);
    let shows = async |figure: f64, note: bool| {
        eventually("the service shows how its last reload went", async || {
            let shown = serve.figure("whither_config_last_reload_successful") == Some(figure);
            (shown && serve.readyz().1.contains("reload: it failed, the old config stays: ") == note).then_some(())
        })
        .await;
    };
    shows(1.0, false).await;
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:no-such\"]\n");
    let told = reload();
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(
        told.stderr.contains("no-such") && told.stderr.contains("1 of 1 replicas cannot use the config"),
        "{told:?}"
    );
    shows(0.0, true).await;
    serve.write("broken.js", "function(input) {");
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"broken.js\"]\n");
    let told = reload();
    assert!(told.code == Some(2) && told.stderr.contains("broken.js"), "{told:?}");
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["decided_by"], "builtin:fewest-sessions");
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:round-robin\"]\n");
    let told = reload();
    assert!(told.code == Some(0) && told.stdout.starts_with("reloaded; its chains ("), "{told:?}");
    shows(1.0, false).await;
    drop(serve);
    let told = Shell::new().whither(["reload", "--nats", &url]);
    assert!(told.code == Some(1) && told.stderr.contains("no service answers on whither.reload"), "{told:?}");
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

/// Ctrl-C on a terminal, and a service manager's stop, reach workers and runner too.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_all_processes_hear_is_no_warning() {
    for signal in [Signal::INT, Signal::TERM] {
        let (_nats, mut serve, _client) = site(FEWEST, &[], 1).await;
        for child in serve.children() {
            let _gone = kill_process(child, signal);
        }
        serve.logged("was told to stop").await;
        serve.signal(signal);
        assert_eq!(serve.ended().await, Some(0));
        assert!(!serve.log().contains(" WARN "), "{}", serve.log());
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

#[test]
fn a_config_is_checked_beside_the_running_service() {
    let shell = Shell::new();
    let check = |steps: &str| {
        let text = format!("[nats]\nurl = \"nats://127.0.0.1:1\"\n[chain.\"session/start\"]\nsteps = [{steps}]\n");
        shell.write("whither.toml", text);
        shell.whither(["serve", "--check"])
    };
    let good = check("\"builtin:round-robin\"");
    assert_eq!((good.code, good.stdout.trim()), (Some(0), "whither.toml: good, 1 chain: session/start"), "{good:?}");
    let broken = check("\"builtin:no-such\"");
    assert!(broken.code == Some(2) && broken.stderr.contains("no-such"), "{broken:?}");
    shell.write("bad.js", "function(input) {");
    let broken = check("\"bad.js\"");
    assert!(broken.code == Some(4) && broken.stderr.contains("bad.js"), "{broken:?}");
}

#[tokio::test]
async fn a_broker_that_is_away_is_waited_for() {
    let mut nats = Nats::not_yet();
    let mut serve = Serve::spawn(&nats, FEWEST, &[]);
    eventually("the HTTP port", async || (serve.readyz().0 == 503).then_some(())).await;
    assert_eq!(serve.get("/healthz").0, 200);
    nats.restart();
    serve.ready().await;
    let client = nats.client().await;
    report(&client, &plain_nodes(2)).await;
    nats.kill();
    eventually("readiness goes", async || (serve.readyz().0 == 503).then_some(())).await;
    nats.restart();
    serve.ready().await;
    let client = nats.client().await;
    eventually("placements again", async || {
        let request = client.request("whither.place", "{}".into());
        let reply = tokio::time::timeout(Duration::from_secs(5), request).await.ok()?.ok()?;
        let body: Value = serde_json::from_slice(&reply.payload).ok()?;
        body["node"].is_string().then_some(())
    })
    .await;
    // What cannot be sent any more holds nothing up for longer than it may.
    nats.kill();
    eventually("readiness goes", async || (serve.readyz().0 == 503).then_some(())).await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
}

#[tokio::test]
async fn a_hanging_script_is_answered_and_the_other_chain_goes_on() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nsteps = [\"hang.js\"]\n");
    let hang = "function(input) { if (input.user.login === 'bad') { while (true) {} } return input.nodes[0].id; }";
    let (_nats, _serve, client) = site(&chains, &[("hang.js", hang)], 3).await;
    let bad = json!({"action": "user/login", "user": {"login": "bad"}});
    let good = json!({"action": "user/login", "user": {"login": "good"}});
    let plain = json!({});
    let (bad, good, other) = tokio::join!(
        ask(&client, "whither.place", &bad),
        ask(&client, "whither.place", &good),
        ask(&client, "whither.place", &plain),
    );
    assert_eq!(bad.body["error"]["name"], "script-limit", "{}", bad.body);
    assert_eq!(bad.body["error"]["limit"], "time");
    assert_eq!(bad.body["error"]["step"], "hang.js");
    assert_eq!(good.body["node"], "n00");
    assert_eq!(other.body["node"], "n00");
}

#[tokio::test]
async fn a_script_that_crashes_its_worker_is_named_and_nobody_else_pays() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nsteps = [\"crash.js\"]\n");
    let crash = "function(input) { var a = []; for (var k = 0; k < 1e5; k++) a = [a]; return String(a); }";
    let (_nats, serve, client) = site(&chains, &[("crash.js", crash)], 3).await;
    let login = json!({"action": "user/login"});
    let bad = ask(&client, "whither.place", &login);
    let storm = storm(&client, "whither.place", 500, by_user, async || {});
    let (bad, storm) = tokio::join!(bad, storm);
    assert_eq!(bad.body["error"]["name"], "script-limit", "{}", bad.body);
    assert!(storm.values().flatten().all(|reply| reply["node"].is_string()));
    assert!(serve.get("/metrics").1.contains("whither_worker_deaths_total"));
}

#[tokio::test]
async fn a_script_that_takes_all_memory_is_named_at_once() {
    let limits = "[limits]\nscript_ms = 60000\nworker_memory_mb = 64\n";
    let chains = format!("{FEWEST}{limits}[chain.\"user/login\"]\nsteps = [\"bomb.js\"]\n");
    let bomb = "function(input) { var s = 'x'; while (true) { s += s; } }";
    let (_nats, serve, client) = site(&chains, &[("bomb.js", bomb)], 3).await;
    let (login, plain) = (json!({"action": "user/login"}), json!({}));
    let (bad, other) = tokio::join!(ask(&client, "whither.place", &login), ask(&client, "whither.place", &plain));
    let error = &bad.body["error"];
    assert_eq!((&error["name"], &error["limit"]), (&json!("script-limit"), &json!("memory")), "{error}");
    assert_eq!(error["message"], "step bomb.js needed more than 64 MiB of memory");
    assert_eq!(other.body["node"], "n00");
    serve.logged("another one goes on").await;
    assert_eq!(ask(&client, "whither.place", &plain).await.body["node"], "n01", "by the next worker");
}

#[tokio::test]
async fn scripts_that_do_not_compile_end_the_service_before_any_port_opens() {
    let nats = Nats::start();
    let mut serve =
        Serve::spawn(&nats, "[chain.x]\nsteps = [\"broken.js\"]\n", &[("broken.js", "function(input) { return [; }")]);
    assert_eq!(serve.ended().await, Some(4));
    serve.logged("broken.js:1:").await;
    let mut serve = Serve::spawn(&nats, "[chain.x]\nstep = []\n", &[]);
    assert_eq!(serve.ended().await, Some(2));
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
