//! Tests of tokens: each way in which a token can be wrong, each kind of key, and what a token changes in a request.

use serde_json::{Map, Value, json};

use super::testing::{NOW_S, SECRET, claims, policy, signed, signed_as, verifier};
use super::*;
use crate::model::{FailureName, UserNames};

const JWKS: &str = include_str!("../../tests/tokens/jwks.json");
const RSA: &str = include_str!("../../tests/tokens/rsa.pem");
const RS256: &str = include_str!("../../tests/tokens/rs256.jwt");
/// The other tokens that were signed with the keys of the set.
const OTHERS: [(&str, &str, &str); 4] = [
    ("PS384", include_str!("../../tests/tokens/ps384.jwt"), RSA),
    ("ES256", include_str!("../../tests/tokens/es256.jwt"), include_str!("../../tests/tokens/p256.pem")),
    ("ES384", include_str!("../../tests/tokens/es384.jwt"), include_str!("../../tests/tokens/p384.pem")),
    ("EdDSA", include_str!("../../tests/tokens/eddsa.jwt"), include_str!("../../tests/tokens/ed25519.pem")),
];

/// Judges `token` by `verifier` at [`NOW_S`] and `more` seconds, for the user ann.
fn judged(verifier: &TokenVerifier, token: &str, more: i64) -> Result<SignedClaims, TokenError> {
    let signed = verifier.signed(token.trim())?;
    verifier.accept(&signed, (&Map::new(), "ann"), UserNames::IgnoreCase, (NOW_S + more) * 1000)?;
    Ok(signed)
}

fn public(names: &[&str], keys: &str) -> TokenVerifier {
    let algorithms = names.iter().map(|name| algorithm(name).unwrap()).collect();
    TokenVerifier::new(TokenPolicy { algorithms, ..policy() }, TokenKeys::public(keys).unwrap())
}

/// Returns the claims with these fields over them; `null` takes one away.
fn with(more: Value) -> Value {
    let mut all = claims("ann");
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    all
}

#[test]
fn each_algorithm_verifies_the_tokens_of_its_keys() {
    let names = ["RS256", "PS384", "ES256", "ES384", "EdDSA"];
    let set = public(&names, JWKS);
    for (name, token, pem) in OTHERS
        .into_iter()
        .chain([("RS256", RS256, RSA), ("RS256", RS256, include_str!("../../tests/tokens/rsa-pkcs1.pem"))])
    {
        let own = public(&[name], pem);
        assert_eq!(judged(&own, token, 0).unwrap().claims["sub"], "ann", "{name}");
        match judged(&set, token, 0) {
            Ok(signed) => assert_eq!(signed.claims["email"], "ann@example.org", "{name}"),
            Err(error) => assert_eq!((name, error), ("PS384", TokenError::NoKey), "the set says which one of RSA's"),
        }
        let mut other = token.trim().to_owned();
        let last = other.pop().unwrap();
        let place = other.len() - 20;
        let changed = if other.as_bytes()[place] == b'A' { "B" } else { "A" };
        other.replace_range(place..=place, changed);
        other.push(last);
        assert_eq!(judged(&own, &other, 0), Err(TokenError::Signature), "{name}: another signature");
        let mut parts: Vec<_> = token.trim().split('.').collect();
        let forged = signed(&with(json!({"sub": "eve"})));
        parts[1] = forged.split('.').nth(1).unwrap();
        assert_eq!(judged(&own, &parts.join("."), 0), Err(TokenError::Signature), "{name}: other claims");
    }
    let many = [RSA, OTHERS[1].2, OTHERS[3].2].join("\nwhose key is this?\n");
    assert!(judged(&public(&names, &many), OTHERS[3].1, 0).is_ok(), "several keys in one file");
}

/// The oldest trick: a public key taken for a secret, which everybody knows.
#[test]
fn an_algorithm_that_is_swapped_is_refused() {
    let claims = claims("ann");
    let forged = signed_as(&json!({"alg": "HS256", "kid": "rsa-1"}), &claims, RSA.as_bytes());
    let error = judged(&public(&["RS256"], JWKS), &forged, 0).unwrap_err();
    assert_eq!(error.to_string(), "the token is signed by `HS256`; `tokens.algorithms` allows RS256");
    // Even where both were allowed, the kind of the key decides.
    let both = TokenPolicy { algorithms: vec![Algorithm::RS256, Algorithm::HS256], ..policy() };
    let keys = TokenKeys::public(JWKS).unwrap().and(TokenKeys::secret(SECRET, &[]).unwrap()).unwrap();
    let both = TokenVerifier::new(both, keys);
    assert_eq!(judged(&both, &forged, 0), Err(TokenError::NoKey));
    let nameless = signed_as(&json!({"alg": "HS256"}), &claims, RSA.as_bytes());
    assert_eq!(judged(&both, &nameless, 0), Err(TokenError::Signature));
    assert!(judged(&both, &signed(&claims), 0).is_ok() && judged(&both, RS256, 0).is_ok());
    let renamed = RS256.replacen(RS256.split('.').next().unwrap(), "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYS0xIn0", 1);
    assert_eq!(judged(&public(&["RS256", "PS256"], JWKS), &renamed, 0), Err(TokenError::NoKey), "the key is for RS256");
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let verifier = verifier(policy());
    for alg in ["none", "None", "NONE", "nOnE"] {
        let token = signed_as(&json!({"alg": alg}), &claims("ann"), SECRET);
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        for token in [format!("{unsigned}."), token.clone()] {
            assert_eq!(judged(&verifier, &token, 0), Err(TokenError::Unsigned), "{alg}");
        }
    }
    assert!(algorithm("none").is_none());
}

#[test]
fn the_time_decides() {
    let verifier = verifier(policy());
    let at = |more: Value, later: i64| judged(&verifier, &signed(&with(more)), later).map(|_signed| ());
    assert_eq!(at(json!({"exp": NOW_S}), 59), Ok(()), "within the leeway");
    assert_eq!(at(json!({"exp": NOW_S}), 60), Err(TokenError::Expired(60)));
    assert_eq!(at(json!({"exp": NOW_S as f64 - 0.5}), 58), Ok(()));
    assert_eq!(at(json!({"exp": 0}), 0), Err(TokenError::Expired(NOW_S)));
    assert_eq!(at(json!({"exp": -1e300}), 0).map_err(|error| error.name()), Err(FailureName::TokenExpired));
    assert_eq!(at(json!({"exp": null}), 0), Err(TokenError::NoExpiry));
    assert_eq!(at(json!({"nbf": NOW_S + 60}), 0), Ok(()));
    assert_eq!(at(json!({"nbf": NOW_S + 61}), 0), Err(TokenError::NotYetValid(61)));
    assert_eq!(at(json!({"iat": NOW_S + 61}), 0), Err(TokenError::IssuedLater(61)));
    assert_eq!(at(json!({"iat": null, "nbf": null}), 0), Ok(()));
    for (name, value) in [("exp", json!("tomorrow")), ("nbf", json!([])), ("iat", json!(true))] {
        let error = at(json!({ name: value }), 0).unwrap_err();
        assert_eq!(error.to_string(), "the token is no JWT: `exp`, `nbf` and `iat` must be numbers");
    }
}

#[test]
fn issuer_audience_and_user_must_be_the_expected_ones() {
    let by = |policy: TokenPolicy, more: Value| judged(&verifier(policy), &signed(&with(more)), 0).map(|_signed| ());
    for wrong in [json!("https://evil.example.org"), json!(["https://login.example.org"]), json!(null), json!(7)] {
        assert_eq!(by(policy(), json!({ "iss": wrong })), Err(TokenError::Issuer));
    }
    for wrong in [json!("mail"), json!(["mail", 7]), json!([]), json!(null), json!({"whither": 1})] {
        assert_eq!(by(policy(), json!({ "aud": wrong })), Err(TokenError::Audience));
    }
    assert_eq!(by(policy(), json!({"aud": ["mail", "whither"]})), Ok(()));
    let open = TokenPolicy { issuers: Vec::new(), audiences: Vec::new(), ..policy() };
    assert_eq!(by(open, json!({"iss": null, "aud": "mail"})), Ok(()));
    let own = || TokenPolicy { login_claim: Some("sub".to_owned()), ..policy() };
    assert_eq!(by(own(), json!({"sub": "ANN"})), Ok(()), "as names are compared, by ASCII case alone");
    for wrong in [json!("eve"), json!(""), json!(null), json!(["ann"])] {
        assert_eq!(by(own(), json!({ "sub": wrong })), Err(TokenError::OtherUser("sub".to_owned())));
    }
}

#[test]
fn a_key_is_found_by_its_name() {
    let verifier = public(&["RS256", "HS256"], JWKS);
    let named =
        |kid: Value| judged(&verifier, &signed_as(&json!({"alg": "RS256", "kid": kid}), &claims("ann"), SECRET), 0);
    let error = named(json!("rsa-2\u{1b}[2J")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the token is signed with the key `rsa-2\\u{1b}[2J`, which is not among `tokens.keys`"
    );
    assert!(named(json!("x".repeat(9000))).unwrap_err().to_string().len() < 200);
    assert_eq!(named(json!("ec-1")), Err(TokenError::NoKey), "the key is of another kind");
    assert_eq!(named(json!("enc-1")), Err(TokenError::UnknownKey("enc-1".to_owned())), "not for signatures");
    assert_eq!(named(json!("rsa-1")), Err(TokenError::Signature));
    assert!(matches!(named(json!(7)), Err(TokenError::Malformed(_))));
    // A key in PEM has no name: it is tried for any.
    assert!(judged(&public(&["RS256"], RSA), RS256, 0).is_ok());
    let extended = signed_as(&json!({"alg": "HS256", "crit": ["b64"]}), &claims("ann"), SECRET);
    assert_eq!(judged(&super::testing::verifier(policy()), &extended, 0), Err(TokenError::Extension));
}

#[test]
fn garbage_is_no_token_and_is_not_repeated() {
    let verifier = verifier(policy());
    let good = signed(&claims("ann"));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let header = message.split('.').next().unwrap();
    for garbage in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "öäü",
        "a b.c d.e",
        &good[..good.len() / 2],
        &format!("{good}.x"),
        &format!("{header}..{signature}"),
        &format!(".{message}"),
        &format!("{message}.===="),
        &good.replace('.', "\0"),
        &format!("{header}.{}.x", "A".repeat(5000)),
        &format!("e30.{signature}.x"),
        &format!("W10.{signature}.x"),
    ] {
        let error = judged(&verifier, garbage, 0).unwrap_err();
        assert_eq!(error.name(), FailureName::TokenRefused, "{garbage}");
        assert!(error.to_string().len() < 200 && !error.to_string().contains(signature), "{error}");
    }
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let deep: Value = serde_json::from_str(&deep).unwrap();
    let error = judged(&verifier, &signed(&with(json!({"deep": deep}))), 0).unwrap_err();
    assert_eq!(error.name(), FailureName::TokenRefused);
    let long = "x".repeat(1 << 20);
    let error = judged(&verifier, &long, 0).unwrap_err();
    assert_eq!(error.to_string(), "the token has 1048576 bytes; the most are 16384 (`tokens.max_kb`)");
}

#[test]
fn a_request_shows_its_token() {
    let policy = policy();
    let told = |params: Value| {
        let request = Map::from_iter([("params".to_owned(), params)]);
        request_token(&request, &policy).map(str::to_owned).map_err(|error| error.to_string())
    };
    assert_eq!(told(json!({"jwt": "a.b.c"})), Ok("a.b.c".to_owned()));
    for none in [json!({}), json!({"jwt": null}), json!({"jwt": ""}), json!(7)] {
        assert_eq!(told(none), Err("the request has no token in `params.jwt`".to_owned()));
    }
    let object = told(json!({"jwt": {"sub": "ann"}})).unwrap_err();
    assert_eq!(object, "`params.jwt` must be a token as text, not an object");
    assert!(told(json!({"jwt": "x".repeat(17 << 10)})).unwrap_err().contains("tokens.max_kb"));
}

/// Returns `request` as the token with the claims of ann and `more` makes it.
fn settled(policy: TokenPolicy, request: Value, more: Value) -> Value {
    let Value::Object(mut request) = request else { panic!("no object") };
    let verifier = verifier(policy);
    let signed = judged(&verifier, &signed(&with(more)), 0);
    verifier.settle(&mut request, signed.as_ref().map_err(Clone::clone), UserNames::IgnoreCase).unwrap();
    Value::Object(request)
}

#[test]
fn the_token_counts_instead_of_the_requesters_word() {
    let lies = json!({
        "user": {"login": "ann", "email": "boss@example.org", "groups": ["wheel"], "office": 7, "isAdmin": true},
        "isAdmin": true,
        "userGroups": ["wheel"], "claims": {"email": "boss@example.org", "salary": 9}, "isManager": true,
        "params": {"jwt": "x", "me": {"login": "ann", "groups": ["wheel"], "roles": ["fx-admins"], "isAdmin": true}},
    });
    let told = settled(policy(), lies.clone(), json!({"roles": ["user"], "salary": 1}));
    let expected = json!({
        "user": {"login": "ann", "office": 7}, "isAdmin": false, "userGroups": ["cad"], "isManager": true,
        "params": {"jwt": "x", "me": {"login": "ann"}},
        "claims": {"email": "ann@example.org", "roles": ["user"]},
    });
    assert_eq!(told, expected);
    let missing = settled(policy(), lies.clone(), json!({"roles": null, "groups": null, "email": null}));
    assert_eq!((&missing["claims"], &missing["userGroups"]), (&json!({}), &json!([])));
    assert!(
        missing["user"].get("email").is_none(),
        "the requester's word does not come back where the token is silent"
    );
    // Without these keys in the config the requester's word stays, but for the claims.
    let quiet = TokenPolicy { claims: Vec::new(), groups_claim: None, admin_claim: None, ..policy() };
    let told = settled(quiet, lies, json!({}));
    assert_eq!((&told["isAdmin"], &told["userGroups"], &told["claims"]), (&json!(true), &json!(["wheel"]), &json!({})));
}

#[test]
fn rights_and_groups_may_stand_in_many_forms() {
    let admin = |values: &[&str], name: &str, more: Value| {
        let admin_values = values.iter().map(ToString::to_string).collect();
        let policy = TokenPolicy { admin_claim: Some(name.to_owned()), admin_values, ..policy() };
        settled(policy, json!({"user": {"login": "ann"}}), more)["isAdmin"] == true
    };
    assert!(admin(&["fx-admins"], "roles", json!({})) && admin(&["a", "b"], "role", json!({"role": "b"})));
    assert!(admin(&[], "admin", json!({"admin": true})) && !admin(&[], "admin", json!({"admin": "true"})));
    assert!(!admin(&["x"], "admin", json!({"admin": true})) && !admin(&["fx"], "roles", json!({})));
    assert!(admin(&["r"], "realm.roles", json!({"realm": {"roles": ["r"]}})));
    assert!(admin(&["r"], "https://a.example/roles", json!({"https://a.example/roles": ["r"]})));
    let groups = |more: Value| settled(policy(), json!({"user": {"login": "ann"}}), more)["userGroups"].clone();
    assert_eq!(groups(json!({"groups": "CAD users"})), json!(["CAD users"]));
    assert_eq!(groups(json!({"groups": ["a", 7, "b"]})), json!(["a", "b"]));
    assert_eq!((groups(json!({"groups": ""})), groups(json!({"groups": {"a": 1}}))), (json!([]), json!([])));
}

#[test]
fn an_unverified_request_is_refused_or_goes_on_with_nothing() {
    let refusing = verifier(policy());
    let request =
        || json!({"userGroups": ["wheel"], "isAdmin": true, "claims": {"email": "x"}}).as_object().unwrap().clone();
    let names = UserNames::IgnoreCase;
    let mut refused = request();
    assert_eq!(refusing.settle(&mut refused, Err(TokenError::Missing), names), Err(TokenError::Missing));
    let ignoring = verifier(TokenPolicy { unverified: Unverified::Ignore, ..policy() });
    let mut ignored = request();
    assert_eq!(ignoring.settle(&mut ignored, Err(TokenError::Expired(7)), names), Ok(Some(TokenError::Expired(7))));
    assert_eq!(Value::Object(ignored), json!({"userGroups": [], "isAdmin": false, "claims": {}}));
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (text, words) in [
        ("", "holds no key"),
        ("0123456789abcdef0123456789abcdef", "holds no key"),
        (private, "holds a private key"),
        (&private.replace("PRIVATE KEY", "EC PRIVATE KEY"), "holds a private key"),
        (include_str!("../../tests/tokens/certificate.pem"), "holds a certificate"),
        (include_str!("../../tests/tokens/rsa1024.pem"), "holds an RSA key of 10"),
        (include_str!("../../tests/tokens/p521.pem"), "of a kind that tokens are not signed with"),
        (&RSA.replace("MIIB", "MIIC"), "holds a key that cannot be read"),
        (&RSA[..200], "holds a key that cannot be read"),
        ("-----BEGIN PUBLIC KEY-----\nä\n-----END PUBLIC KEY-----", "cannot be read"),
        ("-----BEGIN X-----\n-----END X-----", "of a kind"),
        ("{", "is no JWK set: not valid JSON at 1:"),
        ("{\"keys\": 7}", "is no JWK set: expected"),
        ("{\"keys\": []}", "holds no key"),
        (r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB"}"#, "holds an RSA key of 24 bits"),
        (r#"{"kty": "RSA", "d": "AQAB"}"#, "holds a private key"),
        (r#"{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}"#, "cannot be read"),
        (r#"{"kty": "OKP", "crv": "Ed25519", "x": "AQ"}"#, "cannot be read"),
    ] {
        let error = TokenKeys::public(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let many = RSA.repeat(MAX_KEYS + 1);
    assert_eq!(TokenKeys::public(&many), Err(KeyError::TooMany(MAX_KEYS + 1)));
    assert_eq!(TokenKeys::secret(RSA.as_bytes(), &[]), Err(KeyError::NotSecret));
    let short = TokenKeys::secret(b"short\n", &[Algorithm::HS256]).unwrap_err().to_string();
    assert_eq!(short, "holds a secret of 5 bytes; HS256 needs 32 at least");
    let line = [SECRET, b"\r\n"].concat();
    assert_eq!(TokenKeys::secret(&line, &[Algorithm::HS256]), TokenKeys::secret(SECRET, &[]), "without its line end");
    assert!(!format!("{:?}", verifier(policy())).contains("0123456789"));
}
