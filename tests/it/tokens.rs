//! Tokens from end to end: the service and every command without a service come to the same, and nobody prints a token.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, plain_nodes, report};
use crate::support::shell::{Shell, Told};

const JWKS: &str = include_str!("../tokens/jwks.json");
const RS256: &str = include_str!("../tokens/rs256.jwt");
const ES256: &str = include_str!("../tokens/es256.jwt");
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Throws what the chain sees of the token.
const TELL: &str = "input => { throw new Error(JSON.stringify([input.claims, input.isAdmin, input.userGroups])) }";

const CHAIN: &str = "[chain.\"session/start\"]\nsteps = [\"tell.js\"]\n";
const TOKENS: &str = "[tokens]\nkeys = \"jwks.json\"\nsecret_file = \"secret\"\nalgorithms = [\"RS256\", \"HS256\"]\n\
    issuer = \"https://login.example.org\"\naudience = \"whither\"\nclaims = [\"email\"]\ngroups_claim = \"groups\"\n\
    admin_claim = \"roles\"\nadmin_values = \"fx-admins\"\nlogin_claim = \"sub\"\n";

/// What the chain sees of a good token of ann.
const SEEN: &str = r#"[{"email":"ann@example.org"},true,["cad","staff"]]"#;

fn token(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let encoded = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example.org", "aud": "whither", "sub": "ann", "iat": 1_767_225_600, "exp": 4_102_444_800_u64,
        "email": "ann@example.org", "groups": ["cad", "staff"], "roles": ["fx-admins"],
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn signed(more: &Value) -> String {
    token(&json!({"alg": "HS256"}), &claims(more), SECRET.as_bytes())
}

/// Each token that must not be accepted, with the error and words of its message.
fn refused() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let rsa = include_str!("../tokens/rsa.pem");
    let swapped = token(&json!({"alg": "HS256", "kid": "rsa-1"}), &claims(&json!({})), rsa.as_bytes());
    let unsigned = token(&json!({"alg": "none"}), &claims(&json!({})), b"x");
    vec![
        ("expired", signed(&json!({"exp": 1_767_225_601})), "token-expired", "the token expired "),
        ("from the future", signed(&json!({"nbf": 4_000_000_000_u64})), "token-refused", "(`nbf`)"),
        ("issued later", signed(&json!({"iat": 4_000_000_000_u64})), "token-refused", "(`iat`)"),
        ("another audience", signed(&json!({"aud": "mail"})), "token-refused", "(`aud`)"),
        ("another issuer", signed(&json!({"iss": "https://evil.example"})), "token-refused", "(`iss`)"),
        ("another user", signed(&json!({"sub": "eve"})), "token-refused", "not of the request's user"),
        ("never ending", signed(&json!({"exp": null})), "token-refused", "never expires"),
        (
            "another secret",
            token(&json!({"alg": "HS256"}), &claims(&json!({})), &[7; 32]),
            "token-refused",
            "signature",
        ),
        ("an algorithm not in the list", ES256.trim().to_owned(), "token-refused", "signed by `ES256`"),
        ("an algorithm that was swapped", swapped, "token-refused", "can verify the token's algorithm"),
        (
            "an unknown key",
            token(&json!({"alg": "RS256", "kid": "x"}), &claims(&json!({})), b"x"),
            "token-refused",
            "key `x`",
        ),
        ("without a signature", unsigned.clone(), "token-refused", "not signed"),
        ("with an empty one", format!("{}.", unsigned.rsplit_once('.').unwrap().0), "token-refused", "not signed"),
        ("garbage", "gar.ba.ge".to_owned(), "token-refused", "no JWT"),
        ("900 KiB of it", "x".repeat(900 << 10), "token-refused", "the most are 16384 (`tokens.max_kb`)"),
    ]
}

/// Writes the config and its keys into `folder`.
fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn bearing(jwt: impl Into<Value>) -> Value {
    json!({"user": {"login": "ann"}, "params": {"jwt": jwt.into()}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_verifies_each_request_and_believes_nobody_else() {
    let nats = Nats::start();
    let files = [("tell.js", TELL), ("jwks.json", JWKS), ("secret", SECRET)];
    let mut serve = Serve::spawn(&nats, CHAIN, &files);
    serve.ready().await;
    let client = nats.client().await;
    report(&client, &plain_nodes(1)).await;
    let told = async |request: Value| ask(&client, "whither.place", &request).await.body["error"].clone();
    // Without the section, the requester is believed.
    let claimed = json!({"user": {"login": "ann"}, "isAdmin": true, "claims": {"email": "x"}});
    assert_eq!(told(claimed.clone()).await["message"], r#"[{"email":"x"},true,[]]"#);

    put(serve.folder(), "secret", SECRET);
    put(serve.folder(), "jwks.json", JWKS);
    serve.configure(&nats, &format!("{TOKENS}{CHAIN}"));
    let reloaded = ask(&client, "whither.reload", &json!({})).await.body;
    assert_eq!(reloaded["state"], "reloaded", "{reloaded}");
    eventually("tokens are wanted", async || (told(claimed.clone()).await["name"] == "token-refused").then_some(()))
        .await;

    for token in [RS256.trim().to_owned(), signed(&json!({}))] {
        let mut request = bearing(token);
        request["claims"] = json!({"email": "boss@example.org"});
        request["userGroups"] = json!(["wheel"]);
        for _ in 0..2 {
            assert_eq!(told(request.clone()).await["message"], SEEN);
        }
        let explained = ask(&client, "whither.explain", &request).await.body;
        assert!(explained.to_string().contains("ann@example.org"), "{explained}");
    }
    let user = signed(&json!({"roles": ["user"], "groups": []}));
    let mut request = bearing(user);
    request["isAdmin"] = json!(true);
    assert_eq!(told(request).await["message"], r#"[{"email":"ann@example.org"},false,[]]"#);

    for (what, token, name, words) in refused() {
        for subject in ["whither.place", "whither.explain", "whither.start"] {
            let reply = ask(&client, subject, &bearing(token.clone())).await;
            let error = &reply.body["error"];
            assert_eq!((&error["name"], reply.code.as_deref()), (&json!(name), Some("401")), "{what}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(words) && message.len() < 250, "{what}: {message}");
        }
    }
    assert_eq!(told(bearing(json!({"sub": "ann"}))).await["name"], "token-refused");
    names_of_others_are_refused(&client).await;
    assert!(serve.figure("whither_tokens_total{outcome=\"token-refused\"}").is_some_and(|count| count > 20.0));

    // A key that is taken away counts no more, also not for a token that was verified with it.
    let other = "fedcba9876543210fedcba9876543210";
    put(serve.folder(), "secret", other);
    assert_eq!(ask(&client, "whither.reload", &json!({})).await.body["state"], "reloaded");
    let old = bearing(signed(&json!({})));
    eventually("the old secret is forgotten", async || {
        (told(old.clone()).await["name"] == "token-refused").then_some(())
    })
    .await;
    let new = token(&json!({"alg": "HS256"}), &claims(&json!({})), other.as_bytes());
    assert_eq!(told(bearing(new)).await["message"], SEEN);
    // A file that others may write is not read, and the old keys stay.
    std::fs::set_permissions(serve.folder().join("jwks.json"), std::fs::Permissions::from_mode(0o666)).unwrap();
    let failed = ask(&client, "whither.reload", &json!({})).await.body;
    assert!(failed["problems"].as_str().is_some_and(|problems| problems.contains("chmod go-w")), "{failed}");
    assert_eq!(told(bearing(RS256.trim())).await["message"], SEEN);
    let log = serve.log();
    assert!(!log.contains(RS256.trim()) && !log.contains(SECRET) && !log.contains("eyJ"), "{log}");
    serve.must_run();
}

/// Scripts of FastX 4 read `params.me`, those of FastX 3 `user`, and job commands any name: all are the token's user.
async fn names_of_others_are_refused(client: &async_nats::Client) {
    let own = signed(&json!({}));
    for (user, me, words) in [
        (json!({"login": "ann"}), json!({"login": "bob"}), "`params.me.login`"),
        (json!({"login": "ann", "username": "bob"}), json!({}), "`user.username`"),
        (json!({"login": "ann", "sub": "bob"}), json!({}), "`user.sub`"),
        (json!({"login": "a\u{17f}h"}), json!({}), "names another one"),
    ] {
        let request = json!({"user": user, "params": {"jwt": own, "me": me}});
        for subject in ["whither.place", "whither.start"] {
            let error = ask(client, subject, &request).await.body["error"].clone();
            assert_eq!(error["name"], "token-refused", "{request}: {error}");
            assert!(error["message"].as_str().unwrap().contains(words), "{request}: {error}");
        }
    }
    let kelvin = signed(&json!({"sub": "mar\u{212a}"}));
    let error = ask(client, "whither.place", &json!({"user": {"login": "mark"}, "params": {"jwt": kelvin}})).await;
    assert_eq!(error.body["error"]["name"], "token-refused", "{:?}", error.body);
    let request = json!({"user": {"login": "ANN"}, "params": {"jwt": own}});
    assert_eq!(ask(client, "whither.place", &request).await.body["error"]["message"], SEEN);
}

fn site(more: &str) -> Shell {
    let shell = Shell::new();
    for (name, text) in [("jwks.json", JWKS), ("secret", SECRET), ("tell.js", TELL), ("ann.jwt", RS256)] {
        put(shell.folder(), name, text);
    }
    shell.write("nodes.json", r#"[{"id": "a"}, {"id": "b"}]"#);
    shell.write("whither.toml", format!("{TOKENS}{more}{CHAIN}"));
    shell
}

#[track_caller]
fn whither(shell: &Shell, arguments: &[&str]) -> Told {
    let told = shell.whither(arguments);
    assert!(told.code.is_some() && !told.stderr.contains("panicked at"), "{told:?}");
    assert!(!told.stderr.contains(SECRET) && !told.stderr.contains("eyJ"), "{told:?}");
    told
}

#[test]
fn a_placement_without_a_service_comes_to_the_same() {
    let shell = site("");
    let place = |more: &[&str]| {
        let all = [&["place", "--nodes", "nodes.json", "--config", "whither.toml", "--user", "ann"], more].concat();
        whither(&shell, &all)
    };
    let told = place(&["--jwt", "ann.jwt"]);
    assert!(told.code == Some(4) && told.stderr.contains(SEEN), "{told:?}");
    let told = place(&["--request", &bearing(RS256.trim()).to_string()]);
    assert!(told.code == Some(4) && told.stderr.contains(SEEN), "{told:?}");
    let told = place(&["--request", r#"{"claims": {"email": "x"}, "isAdmin": true}"#]);
    assert_eq!(
        (told.code, told.stderr.trim()),
        (Some(2), "error: token-refused: the request has no token in `params.jwt`")
    );
    let told = place(&["--jwt", "ann.jwt", "--now", "2101-01-01T00:00:00Z"]);
    assert!(told.code == Some(2) && told.stderr.contains("token-expired: the token expired "), "{told:?}");
    let told = whither(
        &shell,
        &["place", "--nodes", "nodes.json", "--config", "whither.toml", "--user", "eve", "--jwt", "ann.jwt"],
    );
    assert!(told.stderr.contains("not of the request's user: its `sub` names another one"), "{told:?}");
    for (what, token, name, words) in refused() {
        put(shell.folder(), "wrong.jwt", &token);
        let told = place(&["--jwt", "wrong.jwt"]);
        assert!(told.code == Some(2) && told.stderr.contains(name) && told.stderr.contains(words), "{what}: {told:?}");
    }
    put(shell.folder(), "huge.jwt", &"x".repeat(2 << 20));
    let told = place(&["--jwt", "huge.jwt"]);
    assert!(
        told.code == Some(2) && told.stderr.contains("has 2097152 bytes, at most 1048576 are accepted"),
        "{told:?}"
    );
    let told = place(&["--jwt", "gone.jwt"]);
    assert!(told.code == Some(2) && told.stderr.contains("--jwt gone.jwt: no such file"), "{told:?}");
    let explained = whither(
        &shell,
        &["explain", "--nodes", "nodes.json", "--config", "whither.toml", "--user", "ann", "--jwt", "ann.jwt"],
    );
    assert!(explained.stdout.contains("ann@example.org"), "{explained:?}");
    let ignoring = site("unverified = \"ignore\"\n");
    let told = whither(
        &ignoring,
        &["place", "--nodes", "nodes.json", "--request", r#"{"isAdmin": true, "userGroups": ["x"]}"#],
    );
    assert!(told.stderr.contains("[{},false,[]]"), "{told:?}");
}

#[test]
fn tests_and_rules_see_verified_claims_and_those_that_their_authors_write() {
    let shell = site("");
    let home = "[[rule]]\nemail = '.*@example\\.org'\ngroups = \"cad\"\nnode = \"b\"\n";
    shell.write("home.toml", home);
    shell.write(
        "whither.toml",
        format!("{TOKENS}[chain.\"session/start\"]\nsteps = [\"home.toml\", \"builtin:fewest-sessions\"]\n"),
    );
    let cases = format!(
        r#"config = "whither.toml"
nodes = {{ file = "nodes.json" }}
[[case]]
name = "by the token"
now = "2026-11-20T12:00:00Z"
request = {{ user = "ann", params = {{ jwt = "{token}" }} }}
expect = {{ node = "b" }}
[[case]]
name = "by claims"
request = {{ user = "ann", claims = {{ email = "ann@example.org", groups = ["cad"] }} }}
expect = {{ node = "b" }}
[[case]]
name = "not by the requester's word"
request = {{ user = {{ login = "ann", email = "ann@example.org" }}, groups = ["cad"], claims = {{}} }}
expect = {{ node = "a" }}
[[case]]
name = "too early"
now = "2025-01-01T00:00:00Z"
request = {{ user = "ann", params = {{ jwt = "{token}" }} }}
expect = {{ error = {{ name = "token-refused", words = "nbf" }} }}
[[case]]
name = "nothing"
request = {{ user = "ann" }}
expect = {{ error = {{ name = "token-refused", words = "no token" }} }}
"#,
        token = RS256.trim()
    );
    shell.write("site.test.toml", cases);
    let told = whither(&shell, &["test"]);
    assert_eq!(told.code, Some(0), "{told:?}");

    let told = whither(&shell, &["rules", "test", r#"{"login": "ann"}"#, "--jwt", "ann.jwt"]);
    assert!(told.code == Some(0) && told.stdout.contains("ann: node b, by rule 1"), "{told:?}");
    let told = whither(&shell, &["rules", "test", r#"{"login": "eve"}"#, "--jwt", "ann.jwt"]);
    assert!(told.code == Some(2) && told.stderr.contains("token-refused"), "{told:?}");
    let asked = r#"{"user": {"login": "ann"}, "claims": {"email": "x@example.org", "groups": ["cad"]}}"#;
    let told = whither(&shell, &["rules", "test", asked]);
    assert!(told.stdout.contains("ann: node b, by rule 1"), "what would follow: {told:?}");
    let bare = Shell::new();
    put(bare.folder(), "ann.jwt", RS256);
    bare.write("home.toml", home);
    let told = whither(&bare, &["rules", "test", "{}", "--rules", "home.toml", "--jwt", "ann.jwt"]);
    assert!(told.code == Some(2) && told.stderr.contains("no config with a section `[tokens]`"), "{told:?}");
}
