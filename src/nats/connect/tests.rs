//! Tests of the connection to NATS.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn to(url: &str) -> Connection {
    Connection { servers: vec![url.parse().unwrap()], ..Connection::default() }
}

#[test]
fn secrets_show_nowhere() {
    let settings = Connection { logins: vec![Login::Token("hush2".into())], ..to("nats://ann:hush1@host") };
    let password = Login::Password { user: "ann".to_owned(), password: "hush3".into() };
    let shown = format!(
        "{settings:?} {} {} {password:?} {:?}",
        settings.login().err().unwrap(),
        "x://u:hush5@h".parse::<Address>().err().unwrap(),
        Login::Nkey("hush4".into()),
    );
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_changed_secret_is_another_setting() {
    let with = |password: &str| Connection {
        logins: vec![Login::Password { user: "ann".to_owned(), password: password.into() }],
        ..to("nats://host")
    };
    assert!(with("one") == with("one") && with("one") != with("two"));
    assert!(to("nats://ann:one@host") != to("nats://ann:two@host"));
    assert!(with("one") != Connection { logins: vec![Login::Nkey("x".into())], ..to("nats://host") });
    assert!(to("nats://host") != to("nats://other"));
}

#[test]
fn one_login_is_enough_and_two_are_refused() {
    assert!(matches!(Connection::default().addresses(), Err(ConnectError::NoServer)));
    let mut settings = to("nats://ann:one@host");
    assert!(settings.options().is_ok());
    settings.logins.push(Login::Token("two".into()));
    assert!(matches!(settings.options(), Err(ConnectError::Logins(kinds)) if kinds == "in the URL, a token"));
}

#[test]
fn files_are_looked_at_before_any_waiting() {
    let missing = PathBuf::from("/nonexistent/file");
    let credentials = Connection { logins: vec![Login::Credentials(missing.clone())], ..to("host") };
    assert!(credentials.options().unwrap_err().to_string().contains("/nonexistent/file"));
    let tls = Connection { tls: Tls { ca: Some(missing), ..Tls::default() }, ..to("host") };
    assert!(tls.options().unwrap_err().to_string().starts_with("the TLS authority `/nonexistent/file`"));
}

#[test]
fn a_secret_that_others_may_read_is_refused_whatever_link_leads_there() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("key"), folder.path().join("link"));
    std::fs::write(&path, "x").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    for named in [&path, &link] {
        for exposed in [0o644, 0o640, 0o604] {
            mode(exposed);
            let client = Some(ClientCertificate { cert: path.clone(), key: named.clone() });
            let tls = Tls { client, ..Tls::default() };
            let credentials = Connection { logins: vec![Login::Credentials(named.clone())], ..to("host") };
            for settings in [credentials, Connection { tls, ..to("host") }] {
                let refused = settings.options().unwrap_err().to_string();
                assert!(refused.contains("is a secret, and others than its owner may read this file"), "{refused}");
                assert!(refused.ends_with(&format!("mode {exposed:o} (chmod 600 {})", named.display())), "{refused}");
            }
        }
        mode(0o600);
        assert_eq!(read_secret("key", named).unwrap(), "x");
    }
}

#[test]
fn the_first_round_is_not_delayed() {
    assert_eq!(pause_before(3, 3), Duration::ZERO);
    assert!(pause_before(4, 3) > Duration::ZERO);
    assert!(pause_before(usize::MAX, 3) <= LONGEST_PAUSE);
}
