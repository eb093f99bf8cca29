//! Requests: the head that is read at the door against the whole, and what scripts find in either.

use serde_json::Value;
use whither::model::bounds::{MAX_FACT_COUNT, MAX_NEEDS};
use whither::model::head::{KNOWN_FIELDS, MAX_CARRIED_BYTES, MAX_NAME_BYTES, MAX_STRANGE, MAX_WAIT_MS, RequestSummary};
use whither::model::needs::is_fact_name;
use whither::model::{Needs, Request, json};

use super::must_be_short;

/// The size that a request may have here.
const MAX_BYTES: usize = 16 << 10;
/// Ways that scripts go into requests.
const WAYS: [&[&str]; 10] = [
    &["user", "login"],
    &["user", "site"],
    &["user"],
    &["data", "name"],
    &["data", "pool", "deeper"],
    &["params", "me", "login"],
    &["userGroups"],
    &["isAdmin"],
    &["local", "serverId"],
    &["missing", "x"],
];
/// So many of a request's own fields are looked into.
const OWN_WAYS: usize = 4;

/// A request that is let in by its head is a request, and is the same one whoever looks at it when.
pub fn run(bytes: &[u8]) {
    let whole = Request::parse(bytes, MAX_BYTES, "here");
    match (Request::summarize(bytes, MAX_BYTES), whole) {
        (Ok(RequestSummary { head, node, needs, has_facts, strange }), Ok(whole)) => {
            assert_eq!(&head, whole.head(), "the head is that of the whole");
            assert_eq!(node.as_deref(), json::text(whole.fields(), "node"));
            // The service fills the field `facts`, whatever stands there.
            let is_own = |name: &&String| !KNOWN_FIELDS.contains(&name.as_str()) && *name != "facts";
            let is_filled = whole.fields()["facts"].as_object().is_some_and(|facts| !facts.is_empty());
            assert!(has_facts || !is_filled);
            let own = whole.fields().keys().filter(is_own);
            must_be_needs(&needs, &whole);
            assert!(own.take(MAX_STRANGE).eq(&strange), "the fields that nobody knows");
            must_be_bounded(&whole);
            must_be_found(&whole, bytes);
            must_come_back(&whole);
        }
        (Err(of_head), Err(of_whole)) => assert_eq!(must_be_short(&of_head), must_be_short(&of_whole)),
        (head, whole) => panic!("the door says {head:?}, and the whole is {whole:?}"),
    }
}

fn must_be_needs(needs: &Needs, whole: &Request) {
    assert!(needs.len() <= MAX_NEEDS);
    for (name, need) in needs {
        assert!(is_fact_name(name) && (1..=MAX_FACT_COUNT).contains(need));
        assert_eq!(whole.fields()["needs"][&**name], *need);
    }
}

fn must_be_bounded(request: &Request) {
    let head = request.head();
    assert!(head.id.as_ref().is_none_or(|id| (1..=MAX_NAME_BYTES).contains(&id.len())));
    assert!((1..=MAX_NAME_BYTES).contains(&head.action.len()));
    assert!(head.login.len() <= MAX_CARRIED_BYTES && head.session_name.len() <= MAX_CARRIED_BYTES);
    assert!(head.wait_ms <= MAX_WAIT_MS);
}

/// What is looked for in the text is what is found in the whole.
fn must_be_found(whole: &Request, bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { panic!("a request is text") };
    let known = WAYS.iter().map(|way| way.iter().map(|name| (*name).to_owned()).collect());
    let own = whole.fields().iter().take(OWN_WAYS).flat_map(|(name, value)| {
        let below = value.as_object().and_then(|object| object.keys().next_back());
        [vec![name.clone()], [Some(name.clone()), below.cloned()].into_iter().flatten().collect()]
    });
    let ways: Vec<Vec<String>> = known.chain(own).collect();
    for way in ways {
        let deferred = Request::deferred(whole.head().clone(), text.into(), "here".into());
        assert_eq!(deferred.find(&way), whole.find(&way), "{way:?}");
    }
    let deferred = Request::deferred(whole.head().clone(), text.into(), "here".into());
    assert_eq!((deferred.fields(), deferred.jwt()), (whole.fields(), whole.jwt()));
}

/// A request that was made complete is complete.
fn must_come_back(whole: &Request) {
    let again = Request::from_value(Value::Object(whole.fields().clone()), "elsewhere");
    let again = again.expect("what scripts see of a request is a request");
    assert_eq!((again.head(), again.fields()), (whole.head(), whole.fields()));
}
