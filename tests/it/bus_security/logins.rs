//! Every way to log in: it works with the right secret, and says what is wrong with another.

use std::path::Path;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::{Authority, hidden};
use super::site::{Running, config};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::shell::{Shell, WHITHER};

/// A server with the config `text` in `folder`.
fn server(folder: TempDir, text: &str) -> Nats {
    std::fs::write(folder.path().join("nats.conf"), format!("jetstream: enabled\n{text}\n")).unwrap();
    Nats::told(folder, &["-c", "nats.conf"], &[])
}

/// Starts an agent with `login` in its config, and waits until it logs `words`.
async fn agent_says(nats: &Nats, scheme: &str, login: &str, words: &str) {
    let folder = TempDir::new().unwrap();
    let text = format!("[nats]\nurl = \"{}\"\n{login}\n", nats.url().replace("nats", scheme));
    let config = config(folder.path(), "agent", &text);
    let agent = Running::start(folder.path(), "log", &["agent", "--id", "a", "--config", &config]);
    agent.says(words).await;
    for secret in ["s3cret", "wr0ng", "SUA"] {
        assert!(!agent.log().contains(secret), "{}", agent.log());
    }
}

const IN: &str = "is in the cluster";
const REFUSED: &str = "authorization violation";

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_passwords() {
    let nats = server(TempDir::new().unwrap(), "authorization { token: s3cret }");
    agent_says(&nats, "nats", "token = \"s3cret\"", IN).await;
    agent_says(&nats, "nats", "token = \"wr0ng\"", REFUSED).await;
    agent_says(&nats, "nats", "", REFUSED).await;
    // bcrypt of `s3cret`, as the comment of accounts.conf has it made.
    let hash = "$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG";
    for stored in ["s3cret", hash] {
        let nats = server(TempDir::new().unwrap(), &format!("authorization {{ user: ann, password: \"{stored}\" }}"));
        agent_says(&nats, "nats", "user = \"ann\"\npassword = \"s3cret\"", IN).await;
        agent_says(&nats, "nats", "user = \"ann\"\npassword = \"wr0ng\"", REFUSED).await;
        agent_says(&nats, "nats", "user = \"bob\"\npassword = \"s3cret\"", REFUSED).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nkeys_in_the_config_and_in_a_file() {
    let (user, stranger) = (KeyPair::new_user(), KeyPair::new_user());
    let folder = TempDir::new().unwrap();
    let seed = folder.path().join("seed");
    hidden(&seed, &format!("{}\n", user.seed().unwrap()));
    let text = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", user.public_key());
    let nats = server(TempDir::new().unwrap(), &text);
    for (login, words) in [
        (format!("nkey = \"{}\"", user.seed().unwrap()), IN),
        (format!("nkey = {seed:?}"), IN),
        (format!("nkey = \"{}\"", stranger.seed().unwrap()), REFUSED),
    ] {
        agent_says(&nats, "nats", &login, words).await;
    }
}

/// What `nsc` writes: claims, signed by whoever vouches for them.
fn token(subject: &str, issuer: &KeyPair, kind: Value) -> String {
    let mut claims =
        json!({"iat": 1_700_000_000, "iss": issuer.public_key(), "name": "x", "sub": subject, "nats": kind});
    claims["jti"] = json!(BASE32_NOPAD.encode(subject.as_bytes()));
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn credentials(path: &Path, token: &str, user: &KeyPair) -> String {
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    );
    hidden(path, &text);
    format!("credentials = {path:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_files() {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1});
    let operators = token(&operator.public_key(), &operator, json!({"type": "operator", "version": 2}));
    let accounts = token(&account.public_key(), &operator, json!({"type": "account", "version": 2, "limits": limits}));
    // JetStream wants an account of the system's.
    let system = KeyPair::new_account();
    let mut none = limits.clone();
    for kind in ["mem_storage", "disk_storage", "streams", "consumer"] {
        none[kind] = json!(0);
    }
    let systems = token(&system.public_key(), &operator, json!({"type": "account", "version": 2, "limits": none}));
    let as_user = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}});
    let text = format!(
        "operator: {operators}\nsystem_account: {system}\nresolver: MEMORY\n\
         resolver_preload {{ {}: {accounts}, {system}: {systems} }}",
        account.public_key(),
        system = system.public_key()
    );
    let nats = server(TempDir::new().unwrap(), &text);
    let folder = TempDir::new().unwrap();
    let good = credentials(&folder.path().join("good"), &token(&user.public_key(), &account, as_user.clone()), &user);
    agent_says(&nats, "nats", &good, IN).await;
    let other = KeyPair::new_account();
    let foreign = credentials(&folder.path().join("other"), &token(&user.public_key(), &other, as_user), &user);
    agent_says(&nats, "nats", &foreign, REFUSED).await;
    let broken = folder.path().join("broken");
    hidden(&broken, "no credentials");
    agent_says(&nats, "nats", &format!("credentials = {broken:?}"), "has no user JWT and seed in it").await;
}

/// Every way to name a file with a secret in it: in a config, where its line is told, and by an option.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_others_may_read_is_not_used() {
    let folder = TempDir::new().unwrap();
    Authority::new(folder.path(), "ca").sign(folder.path(), "client");
    let file = |name: &str| folder.path().join(name);
    let (key, link) = (file("client.key"), file("link"));
    std::os::unix::fs::symlink(&key, &link).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let refused = |arguments: &[&str], words: &str| {
        let command = std::process::Command::new(WHITHER).args(arguments).env_remove("WHITHER_NATS").output().unwrap();
        let said = String::from_utf8_lossy(&command.stderr).into_owned();
        assert_eq!(command.status.code(), Some(2), "{said}");
        let expected = [words, "is a secret, and others than its owner may read this file, mode 640", "chmod 600 "];
        assert!(expected.iter().all(|words| said.contains(words)), "{said}");
    };
    for named in [&key, &link] {
        for login in [
            format!("credentials = {named:?}"),
            format!("nkey = {named:?}"),
            format!("tls_key = {named:?}\ntls_cert = {:?}", file("client.pem")),
        ] {
            let text = format!(
                "[nats]\nurl = \"nats://127.0.0.1:1\"\n{login}\n[chain.a]\nsteps = [\"builtin:round-robin\"]\n"
            );
            let config = config(folder.path(), "whither", &text);
            for command in ["serve", "agent", "nodes"] {
                refused(&[command, "--config", &config], ":3:");
            }
        }
        let path = named.to_string_lossy();
        for command in ["agent", "nodes"] {
            refused(&[command, "--credentials", &path, "--nats", "nats://127.0.0.1:1"], &path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_with_certificates_on_one_side_and_on_both() {
    let folder = TempDir::new().unwrap();
    let certificates = folder.path().to_owned();
    let authority = Authority::new(&certificates, "ca");
    for name in ["server", "client"] {
        authority.sign(&certificates, name);
    }
    let others = TempDir::new().unwrap();
    Authority::new(others.path(), "other").sign(others.path(), "stranger");
    let tls = "tls { cert_file: server.pem, key_file: server.key, ca_file: ca.pem, verify: true }";
    let nats = server(folder, tls);
    let trust = format!("tls_ca = {:?}\n", certificates.join("ca.pem"));
    let shows = |folder: &Path, name: &str| {
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        format!("tls_cert = {:?}\ntls_key = {:?}\n", file("pem"), file("key"))
    };
    agent_says(&nats, "tls", &format!("{trust}{}", shows(&certificates, "client")), IN).await;
    agent_says(&nats, "nats", &format!("{trust}{}", shows(&certificates, "client")), IN).await;
    agent_says(&nats, "tls", &format!("{trust}{}", shows(others.path(), "stranger")), "UnknownCA").await;
    agent_says(&nats, "tls", &trust, "CertificateRequired").await;
    let distrust = format!("tls_ca = {:?}\n", others.path().join("other.pem"));
    let unknown = format!("{distrust}{}", shows(&certificates, "client"));
    agent_says(&nats, "tls", &unknown, "invalid peer certificate").await;
    // Who asks for encryption gets none from a server that has none, and does not go on without.
    let plain = server(TempDir::new().unwrap(), "");
    agent_says(&plain, "nats", "tls_required = true", "cannot connect to NATS").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_is_trusted_where_it_is_given_itself() {
    let folder = TempDir::new().unwrap();
    let certificates = folder.path().to_owned();
    Authority::new(&certificates, "self").reveal(&certificates, "self");
    let nats = server(folder, "tls { cert_file: self.pem, key_file: self.key }");
    agent_says(&nats, "nats", &format!("tls_ca = {:?}", certificates.join("self.pem")), IN).await;
    let other = TempDir::new().unwrap();
    Authority::new(other.path(), "self");
    let distrust = format!("tls_ca = {:?}", other.path().join("self.pem"));
    agent_says(&nats, "nats", &distrust, "invalid peer certificate").await;
    let distrust = other.path().join("self.pem");
    let told = Shell::new().whither(["nodes", "--nats", &nats.url(), "--tls-ca", distrust.to_str().unwrap()]);
    assert!(told.stderr.contains("the encryption with NATS at") && told.stderr.contains("see --tls-ca"), "{told:?}");
}

/// What a refused command says, without waiting for a connection that will never be.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_said_at_once_and_by_its_name() {
    let nats = server(TempDir::new().unwrap(), "authorization { token: s3cret }");
    for command in [&["place", "--user", "ann"][..], &["nodes"], &["cordon", "a"], &["nodes", "history", "a"]] {
        for more in [&[][..], &["--token", "wr0ng"]] {
            let options = ["--nats", &nats.url()];
            let told = Shell::new().whither(command.iter().chain(&options).chain(more));
            assert_eq!(told.code, Some(1), "{told:?}");
            assert!(told.stderr.contains("refused the login: authorization violation; see --credentials"), "{told:?}");
        }
    }
}

/// Secrets are renewed where they stand, and a program that runs follows at its next connect.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_renewed_in_its_file_is_used_from_then_on() {
    let (one, two) = (KeyPair::new_user(), KeyPair::new_user());
    let users = |key: &KeyPair, token: &str| {
        let users = format!("{{ nkey: {} }}, {{ user: ann, password: {token} }}", key.public_key());
        format!("jetstream: enabled\nauthorization {{ users: [ {users} ] }}\n")
    };
    let mut nats = server(TempDir::new().unwrap(), &users(&one, "first").replace("jetstream: enabled\n", ""));
    let folder = TempDir::new().unwrap();
    let seed = folder.path().join("seed");
    hidden(&seed, &one.seed().unwrap());
    let text = format!("[nats]\nurl = \"{}\"\n", nats.url());
    let by_key = config(folder.path(), "key", &format!("{text}nkey = {seed:?}\n"));
    let by_password = |password: &str| format!("{text}user = \"ann\"\npassword = \"{password}\"\n");
    let edited = config(folder.path(), "password", &by_password("first"));
    let agent = |id: &str, config: &str| {
        Running::start(folder.path(), &format!("{id}.log"), &["agent", "--id", id, "--config", config])
    };
    let agents = [agent("a", &by_key), agent("b", &edited)];
    for agent in &agents {
        agent.says(IN).await;
    }
    nats.kill();
    hidden(&seed, &two.seed().unwrap());
    config(folder.path(), "password", &by_password("second"));
    std::fs::write(nats.folder().join("nats.conf"), users(&two, "second")).unwrap();
    nats.restart();
    for agent in &agents {
        eventually("the agent is connected again", async || {
            (agent.log().matches("connected to NATS at").count() > 1).then_some(())
        })
        .await;
    }
}
