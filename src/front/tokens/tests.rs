//! Tests of the tokens of requests: who waits for a verification, what is remembered, and what the chain is shown.

use serde_json::{Value, json};

use super::*;
use crate::token::testing::{claims, policy, signed, verifier};
use crate::token::{TokenPolicy, Unverified};

use super::super::events::{FrontEvent, Setup};
use super::super::starts::StartRequest;
use super::super::testing::{ACTION, EPOCH_MS, Harness, chain, request, setup, setup_of, with};
use crate::chain::ChainSpec;

/// A setup whose chain wants tokens by `policy`.
fn verifying(policy: TokenPolicy) -> Setup {
    let chain = ChainSpec { verify_jwt: true, ..chain(ACTION) };
    Setup { tokens: Some(Arc::new(verifier(policy))), ..setup_of(vec![chain]) }
}

/// The claims of `login` that are valid while the harness runs.
fn valid(login: &str) -> Value {
    let now_s = EPOCH_MS / 1000;
    with(claims(login), json!({"iat": now_s, "nbf": now_s, "exp": now_s + 600}))
}

/// A request of `login` with a token of these claims.
fn bearing(login: &str, claims: &Value) -> Value {
    with(request(login), json!({"params": {"jwt": signed(claims)}}))
}

/// Removes and returns the verifications that were ordered.
fn checks(harness: &mut Harness) -> Vec<TokenCheck> {
    let (checks, others) = std::mem::take(&mut harness.effects)
        .into_iter()
        .partition::<Vec<_>, _>(|effect| matches!(effect, Effect::Verify(_)));
    harness.effects = others;
    checks
        .into_iter()
        .filter_map(|effect| if let Effect::Verify(check) = effect { Some(*check) } else { None })
        .collect()
}

/// Carries out the verifications that were ordered; returns their number.
fn verify(harness: &mut Harness) -> usize {
    let checks = checks(harness);
    let count = checks.len();
    checks.into_iter().for_each(|check| harness.tell(FrontEvent::Token(check.run())));
    count
}

fn shown(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_request_waits_for_its_token_and_the_chain_sees_what_that_says() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    let lies = json!({"isAdmin": false, "userGroups": ["wheel"], "claims": {"email": "boss@example.org"}});
    let number = harness.place(&with(bearing("ann", &valid("ann")), lies));
    assert!(harness.asked().is_empty());
    assert_eq!(harness.front.owed(), 1);
    assert_eq!(verify(&mut harness), 1);
    let asked = harness.only_asked();
    let told = shown(&asked.question.request);
    assert_eq!(told["claims"], json!({"email": "ann@example.org", "roles": ["fx-admins"]}));
    assert_eq!((&told["isAdmin"], &told["userGroups"]), (&json!(true), &json!(["cad"])));
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
    assert_eq!(harness.figure("whither_tokens_total{outcome=\"accepted\"}"), "1");
}

#[test]
fn a_token_is_verified_once_until_it_expires() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    let body = bearing("ann", &valid("ann"));
    let numbers = [harness.place(&body), harness.send(Verb::Explain, &body)];
    assert_eq!(verify(&mut harness), 1, "once for both");
    assert_eq!(harness.asked().len(), 2);
    harness.place(&body);
    assert_eq!((verify(&mut harness), harness.asked().len()), (0, 1), "it is remembered");
    numbers.into_iter().for_each(|number| harness.no_reply(number));
    harness.sleep(std::time::Duration::from_secs(660));
    let late = harness.place(&body);
    let (name, message) = harness.failure(late);
    assert_eq!((name.as_str(), message.as_str()), ("token-expired", "the token expired 60 s ago"));
    assert_eq!(harness.figure("whither_tokens_total{outcome=\"token-expired\"}"), "1");
}

#[test]
fn what_is_not_accepted_is_refused_by_name_and_not_repeated() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    for (body, name, words) in [
        (request("ann"), "token-refused", "has no token"),
        (with(request("ann"), json!({"claims": {"email": "x"}})), "token-refused", "has no token"),
        (with(request("ann"), json!({"params": {"jwt": {"sub": "ann"}}})), "token-refused", "not an object"),
        (with(request("ann"), json!({"params": {"jwt": "x".repeat(1 << 19)}})), "token-refused", "`tokens.max_kb`"),
        (with(request("ann"), json!({"params": {"jwt": "gar.ba.ge"}})), "token-refused", "no JWT"),
        (bearing("ann", &with(valid("ann"), json!({"iss": "else"}))), "token-refused", "`iss`"),
        (bearing("ann", &with(valid("ann"), json!({"exp": 1}))), "token-expired", "expired"),
        (with(request("ann"), json!({"action": "nothing"})), "unknown-action", "`nothing`"),
        (json!({"user": 7}), "bad-request", "`user`"),
    ] {
        for verb in [Verb::Place, Verb::Explain, Verb::Start] {
            let number = harness.send(verb, &body);
            verify(&mut harness);
            let (found, message) = harness.failure(number);
            assert!(found == name && message.contains(words), "{verb:?} {body}: {found} {message}");
            assert!(!message.contains("gar.ba.ge"));
        }
    }
    assert_eq!(harness.figure("whither_starts_total{outcome=\"token-refused\"}"), "6");
    assert_eq!(harness.front.owed(), 0);
}

#[test]
fn a_start_is_begun_with_the_rights_of_the_token() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    for (roles, is_admin) in [(json!(["fx-admins"]), true), (json!([]), false)] {
        let body = bearing("ann", &with(valid("ann"), json!({ "roles": roles })));
        harness.send(Verb::Start, &with(body, json!({"isAdmin": !is_admin})));
        verify(&mut harness);
        let started =
            harness.take(|effect| if let Effect::Start(start) = effect { Some(start.is_admin) } else { None });
        assert_eq!(started, [is_admin]);
    }
}

#[test]
fn a_start_is_of_the_tokens_user_as_the_token_spells_it() {
    let own = TokenPolicy { login_claim: Some("sub".to_owned()), ..policy() };
    let mut harness = Harness::new(verifying(own), &["a"]);
    let named = |user: Value| json!({"user": user, "params": {"jwt": signed(&valid("ann"))}});
    harness.send(Verb::Start, &named(json!({"login": "ANN", "sub": "Ann", "isAdmin": true})));
    verify(&mut harness);
    let own = |start: &StartRequest| (start.user.clone(), start.login.to_string());
    let started = harness.take(|effect| if let Effect::Start(start) = effect { Some(own(start)) } else { None });
    assert_eq!(started, [(json!({"login": "ann", "sub": "ann"}), "ann".to_owned())]);
    for user in [json!({"login": "ann", "sub": "bob"}), json!({"login": "ann", "username": "bob"})] {
        let number = harness.send(Verb::Start, &named(user));
        let (name, message) = harness.failure(number);
        assert!(name == "token-refused" && message.contains("is not the user in `user."), "{message}");
    }
}

#[test]
fn where_unverified_requests_go_on_they_have_nothing() {
    let mut harness = Harness::new(verifying(TokenPolicy { unverified: Unverified::Ignore, ..policy() }), &["a"]);
    harness.place(&with(request("ann"), json!({"isAdmin": true, "userGroups": ["wheel"], "claims": {"email": "x"}})));
    let told = shown(&harness.only_asked().question.request);
    assert_eq!((&told["claims"], &told["isAdmin"], &told["userGroups"]), (&json!({}), &json!(false), &json!([])));
    assert_eq!(harness.figure("whither_tokens_total{outcome=\"ignored\"}"), "1");
}

#[test]
fn a_chain_without_tokens_sees_no_claims_and_a_service_without_tokens_passes_them_on() {
    let claimed = with(request("ann"), json!({"claims": {"email": "x"}}));
    let mut harness = Harness::new(Setup { tokens: verifying(policy()).tokens, ..setup() }, &["a"]);
    harness.place(&claimed);
    assert!(shown(&harness.only_asked().question.request).get("claims").is_none());
    let mut harness = Harness::new(setup(), &["a"]);
    harness.place(&claimed);
    assert_eq!(shown(&harness.only_asked().question.request)["claims"], json!({"email": "x"}));
}

#[test]
fn a_request_that_waits_for_its_token_can_be_called_off() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    let body = with(bearing("ann", &valid("ann")), json!({"id": "x"}));
    let number = harness.place(&body);
    let cancel = harness.send(Verb::Cancel, &json!({"id": "x", "user": {"login": "ann"}}));
    assert_eq!(
        (harness.failure(number).0.as_str(), &harness.reply(cancel)["state"]),
        ("cancelled", &json!("cancelled"))
    );
    verify(&mut harness);
    assert!(harness.asked().is_empty() && harness.front.owed() == 0);
}

#[test]
fn so_many_requests_wait_and_all_are_answered_at_the_end() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    let body = bearing("ann", &valid("ann"));
    let first = harness.place(&body);
    for _ in 1..MAX_WAITING {
        harness.place(&body);
    }
    let last = harness.place(&body);
    let (name, message) = harness.failure(last);
    assert!(name == "overloaded" && message.contains("4096 requests"), "{message}");
    harness.no_reply(first);
    harness.front.close();
    harness.tick();
    assert_eq!(harness.failure(first), ("internal".into(), "the service is stopping".into()));
}

#[test]
fn new_keys_judge_what_the_old_ones_were_asked() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    let body = bearing("ann", &valid("ann"));
    harness.place(&body);
    verify(&mut harness);
    assert_eq!(harness.asked().len(), 1);
    let other = with(bearing("bob", &valid("bob")), json!({}));
    let waiting = harness.place(&other);
    let under_way = checks(&mut harness);
    let stricter = TokenPolicy { issuers: vec!["another".to_owned()], ..policy() };
    harness.tell(FrontEvent::Reload(Box::new(verifying(stricter))));
    harness.tick();
    under_way.into_iter().for_each(|check| harness.tell(FrontEvent::Token(check.run())));
    assert_eq!(verify(&mut harness), 1, "verified again, by the new rules");
    assert_eq!(harness.failure(waiting).0, "token-refused");
    let known = harness.place(&body);
    verify(&mut harness);
    assert_eq!(harness.failure(known).0, "token-refused", "what was remembered is forgotten");
}

#[test]
fn a_verification_without_an_end_is_an_answer_too() {
    let mut harness = Harness::new(verifying(policy()), &["a"]);
    let number = harness.place(&bearing("ann", &valid("ann")));
    let lost = checks(&mut harness).remove(0).lost();
    harness.tell(FrontEvent::Token(lost));
    assert_eq!(harness.failure(number).1, "the token is no JWT: its verification failed");
}
