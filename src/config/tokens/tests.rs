//! Tests of the section `[tokens]`: what it reads, and each way in which it can be wrong.

use std::path::Path;

use crate::config::{Config, ConfigNeeds, FileError, Loading, MemoryFiles, load};
use crate::token::{Algorithm, Unverified};

const CHAIN: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:weighted\"]\n";

fn files() -> MemoryFiles {
    MemoryFiles::default()
        .with("jwks.json", include_str!("../../../tests/tokens/jwks.json"))
        .with("rsa.pem", include_str!("../../../tests/tokens/rsa.pem"))
        .with("cert.pem", include_str!("../../../tests/tokens/certificate.pem"))
        .with_mode("open.pem", include_str!("../../../tests/tokens/rsa.pem"), 0o664)
        .with_mode("secret", "0123456789abcdef0123456789abcdef\n", 0o600)
        .with_mode("secret.pem", include_str!("../../../tests/tokens/rsa.pem"), 0o600)
        .with_mode("short", "hush", 0o600)
        .with("shared", "0123456789abcdef0123456789abcdef")
        .with("oct.json", r#"{"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#)
        .with("garbage", "not a key")
        .with("empty", "")
        .with("large", "x".repeat(300 << 10))
        .with_fault("folder", FileError::Directory)
}

fn read(lines: &str, needs: ConfigNeeds) -> Result<Config, String> {
    let files = files().with("w", format!("[nats]\nurl = \"bus\"\n{CHAIN}{lines}"));
    load(Path::new("w"), Loading { files: &files, host_zone: "UTC", needs }).map_err(|errors| errors.to_string())
}

#[test]
fn the_section_makes_a_verifier() {
    let lines = "[tokens]\nkeys = [\"jwks.json\", \"rsa.pem\"]\nsecret_file = \"secret\"\nalgorithms = [\"RS256\", \"HS256\"]\n\
        issuer = \"https://a\"\naudience = [\"w\", \"v\"]\nclaims = \"email\"\ngroups_claim = \"groups\"\n\
        admin_claim = \"roles\"\nadmin_values = \"boss\"\nlogin_claim = \"sub\"\nlogin_domains = \"site.example\"\nunverified = \"ignore\"\nleeway_s = 5\n\
        max_kb = 4\nremembered = 7\n";
    let config = read(lines, ConfigNeeds::Chains).unwrap();
    let policy = config.tokens.as_ref().unwrap().policy().clone();
    assert_eq!(policy.algorithms, [Algorithm::RS256, Algorithm::HS256]);
    assert_eq!((policy.leeway_s, policy.max_bytes, policy.remembered), (5, 4096, 7));
    assert_eq!((policy.audiences.len(), policy.unverified), (2, Unverified::Ignore));
    assert_eq!(
        (policy.login_claim.as_deref(), &*policy.login_domains),
        (Some("sub"), &["site.example".to_owned()][..])
    );
    assert!(config.chains.chains[0].verify_jwt, "a chain wants claims where the config says how");
    let again = read(lines, ConfigNeeds::Chains).unwrap();
    assert_eq!(config, again);
    assert_ne!(
        config,
        read(&lines.replace("[\"jwks.json\", \"rsa.pem\"]", "\"rsa.pem\""), ConfigNeeds::Chains).unwrap()
    );
    assert!(read(lines, ConfigNeeds::Nats).unwrap().tokens.is_none(), "who asks reads no keys");
}

#[test]
fn a_chain_may_do_without() {
    let tokens = "verify_jwt = false\n[tokens]\nkeys = \"jwks.json\"\nalgorithms = \"ES256\"\n";
    assert!(!read(tokens, ConfigNeeds::Chains).unwrap().chains.chains[0].verify_jwt);
    let problem = read("verify_jwt = true\n", ConfigNeeds::Chains).unwrap_err();
    assert!(problem.contains("`chain.\"session/start\".verify_jwt` needs a section `[tokens]`"), "{problem}");
    let plain = read("", ConfigNeeds::Chains).unwrap();
    assert!(plain.tokens.is_none() && !plain.chains.chains[0].verify_jwt);
}

#[test]
fn what_is_wrong_is_told_with_the_way_out() {
    let rsa = "keys = \"rsa.pem\"\n";
    for (lines, words) in [
        ("", "`tokens` has no `algorithms`"),
        ("algorithms = \"RS256\"", "`tokens` has no keys"),
        ("keys = \"rsa.pem\"\nalgorithms = \"none\"", "`tokens.algorithms` is `none`: everybody can write a token"),
        ("keys = \"rsa.pem\"\nalgorithms = \"RS265\"", "did you mean `RS256`?"),
        ("keys = \"rsa.pem\"\nalgorithms = \"ROT13\"", "there are: RS256, RS384"),
        ("keys = \"rsa.pem\"\nalgorithms = \"HS256\"", "no key of `tokens` can verify `HS256` (it needs `secret_file`"),
        ("keys = \"rsa.pem\"\nalgorithms = [\"RS256\", \"ES256\"]", "no key of `tokens` can verify `ES256`"),
        ("secret_file = \"secret.pem\"\nalgorithms = \"HS256\"", "holds a key in PEM, which is no secret"),
        ("secret_file = \"short\"\nalgorithms = \"HS256\"", "holds a secret of 4 bytes; HS256 needs 32 at least"),
        ("secret_file = \"secret\"\nalgorithms = \"HS512\"", "HS512 needs 64 at least"),
        ("secret_file = \"shared\"\nalgorithms = \"HS256\"", "(chmod 600 shared)"),
        ("keys = \"oct.json\"\nalgorithms = \"HS256\"", "(chmod 600 oct.json)"),
        ("keys = \"open.pem\"\nalgorithms = \"RS256\"", "others than its owner may write this file, mode 664"),
        ("keys = \"open.pem\"\nalgorithms = \"RS256\"", "(chmod go-w open.pem)"),
        ("keys = \"gone.pem\"\nalgorithms = \"RS256\"", "`tokens.keys`: `gone.pem` no such file"),
        ("keys = \"folder\"\nalgorithms = \"RS256\"", "is a directory, expected a file"),
        ("keys = \"empty\"\nalgorithms = \"RS256\"", "is empty"),
        ("keys = \"large\"\nalgorithms = \"RS256\"", "has more than 262144 bytes"),
        ("keys = \"garbage\"\nalgorithms = \"RS256\"", "a shared secret belongs into `tokens.secret_file`"),
        ("keys = \"cert.pem\"\nalgorithms = \"ES256\"", "(openssl x509 -in cert.pem -pubkey -noout)"),
        ("keys = 7\nalgorithms = \"ES256\"", "`tokens.keys` is the number 7"),
        ("keys = \"rsa.pem\"\nalgorithms = \"RS256\"\nadmin_values = \"x\"", "needs `tokens.admin_claim` beside it"),
        ("keys = \"rsa.pem\"\nalgorithms = \"RS256\"\nunverified = \"drop\"", "expected one of `refuse`, `ignore`"),
        ("keys = \"rsa.pem\"\nalgorithms = \"RS256\"\nleeway_s = 9999", "a whole number from 0 to 3600"),
        ("keys = \"rsa.pem\"\nalgorithms = \"RS256\"\nmax_kb = 0", "a whole number from 1 to 1024"),
        ("keys = \"rsa.pem\"\nalgorithms = \"RS256\"\nissuers = \"x\"", "unknown key `issuers` in `tokens`"),
        (
            "keys = \"rsa.pem\"\nalgorithms = \"RS256\"\nsecret_file = \"secret\"",
            "`tokens.secret_file` says nothing here",
        ),
    ] {
        let problems = read(&format!("[tokens]\n{lines}\n"), ConfigNeeds::Chains).unwrap_err();
        assert!(problems.contains(words), "{lines}: {problems}");
        assert!(!problems.contains("0123456789") && !problems.contains("MIIB"), "{lines}: {problems}");
    }
    let many: Vec<_> = (0..101).map(|number| format!("\"{number}\"")).collect();
    let problems =
        read(&format!("[tokens]\n{rsa}algorithms = \"RS256\"\nclaims = [{}]\n", many.join(",")), ConfigNeeds::Chains);
    assert!(problems.unwrap_err().contains("has 101 names, at most 100 are accepted"));
}
