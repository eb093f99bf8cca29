//! Deadlines and time limits of requests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::eventually;
use crate::support::serve::{ask, ask_raw, site};
use async_nats::HeaderMap;
use serde_json::json;

use super::FEWEST;

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
