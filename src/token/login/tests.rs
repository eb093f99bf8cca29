//! Tests of the login that a token gives: which names are taken for that login, and which names are written in their
//! place.

use serde_json::{Map, Value, json};

use crate::model::UserNames::{self, AsIs, IgnoreCase, Short};
use crate::token::testing::{NOW_S, claims, policy, signed, verifier};
use crate::token::{TokenError, TokenPolicy};

/// The users of `request`, as a token of `login` with `more` claims makes them.
fn users(login: &str, more: &Value, names: UserNames, request: &Value) -> Result<[Value; 2], TokenError> {
    let own = TokenPolicy {
        login_claim: Some("preferred_username".to_owned()),
        login_domains: vec!["site.example".to_owned(), "SITE".to_owned()],
        ..policy()
    };
    let verifier = verifier(own);
    let mut claims = claims("7f3a");
    claims["preferred_username"] = json!(login);
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let signed = verifier.signed(&signed(&claims))?;
    let mut request: Map<String, Value> = request.as_object().unwrap().clone();
    let read = crate::model::Request::from_value(Value::Object(request.clone()), "").unwrap();
    verifier.accept(&signed, (&request, read.login()), names, NOW_S * 1000)?;
    verifier.settle(&mut request, Ok(&signed), names)?;
    Ok([request["user"].clone(), request.get("params").map(|params| params["me"].clone()).unwrap_or_default()])
}

/// The name that a session is started under for a token of `login`, where the requester names the user `name`.
fn started(login: &str, names: UserNames, name: &str) -> Option<String> {
    let [user, _] = users(login, &json!({}), names, &json!({"user": {"login": name}})).ok()?;
    user["login"].as_str().map(str::to_owned)
}

#[test]
fn no_other_letter_and_no_other_domain_is_taken_for_the_tokens_user() {
    for (login, name) in [
        ("mar\u{212a}", "mark"),
        ("mark", "mar\u{212a}"),
        ("\u{17f}am", "sam"),
        ("änn", "ÄNN"),
        ("bob@evil.example", "bob"),
        ("EVIL\\bob", "bob"),
        ("bob", "bob@evil.example"),
        ("bob@evil.example", "bob@site.example"),
        ("@site.example", ""),
        ("ann", "ann "),
    ] {
        for names in UserNames::ALL {
            assert_eq!(started(login, names, name), None, "{names:?} {login:?} {name:?}");
        }
    }
    assert_eq!(started("ann", AsIs, "ANN"), None);
}

#[test]
fn a_session_is_started_under_the_tokens_spelling() {
    for names in [IgnoreCase, Short] {
        for (login, name, own) in [
            ("ann", "ANN", "ann"),
            ("Ann", "ann", "Ann"),
            ("ann@site.example", "ann@SITE.example", "ann@site.example"),
            ("ann@site.example", "ANN", "ann"),
            ("SITE\\ann", "ann", "ann"),
            ("ann", "ANN@site.example", "ann"),
            ("änn", "äNN", "änn"),
        ] {
            assert_eq!(started(login, names, name).as_deref(), Some(own), "{names:?} {login:?} {name:?}");
        }
    }
    assert_eq!(started("ann@site.example", AsIs, "ann").as_deref(), Some("ann"));
}

#[test]
fn every_name_of_the_user_is_the_tokens() {
    let told = |request: &Value| users("ann", &json!({}), IgnoreCase, request);
    for (request, field) in [
        (json!({"user": {"login": "ann"}, "params": {"me": {"login": "bob"}}}), "params.me.login"),
        (json!({"user": {"login": "ann", "username": "bob"}}), "user.username"),
        (json!({"user": {"login": "ann", "sub": "bob"}}), "user.sub"),
        (json!({"user": {"login": "ann", "sub": ["bob"]}}), "user.sub"),
        (json!({"user": {"login": "ann"}, "params": {"me": {"username": {"a": 1}}}}), "params.me.username"),
    ] {
        let error = told(&request).unwrap_err();
        let words =
            format!("the token is not of the request's user: its `preferred_username` is not the user in `{field}`");
        assert_eq!(error.to_string(), words, "{request}");
    }
    let request = json!({
        "user": {"login": "ANN", "username": "Ann", "sub": "7f3a"},
        "params": {"me": {"login": "", "username": "ANN", "sub": null, "mail": "ANN"}},
    });
    let expected = [
        json!({"login": "ann", "username": "ann", "sub": "7f3a"}),
        json!({"login": "", "username": "ann", "sub": null, "mail": "ANN"}),
    ];
    assert_eq!(told(&request).unwrap(), expected);
}

#[test]
fn without_the_claim_in_the_config_names_stay_the_requesters_word() {
    let verifier = verifier(policy());
    let signed = verifier.signed(&signed(&claims("ann"))).unwrap();
    let mut request: Map<String, Value> = json!({"user": {"login": "bob", "sub": 7}}).as_object().unwrap().clone();
    verifier.accept(&signed, (&request, "bob"), IgnoreCase, NOW_S * 1000).unwrap();
    verifier.settle(&mut request, Ok(&signed), IgnoreCase).unwrap();
    assert_eq!(request["user"], json!({"login": "bob", "sub": 7}));
}
