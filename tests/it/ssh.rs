//! The example that balances SSH logins, with a stand-in for each program that it starts and a real service: it goes to
//! the node that the service chooses, and nothing that a user or a node calls itself becomes a command.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::nats::Nats;
use crate::support::serve::{Serve, report};
use crate::support::shell::WHITHER;
use async_nats::Client;
use serde_json::json;
use tempfile::TempDir;

const SCRIPT: &str = include_str!("../../examples/ssh-balance.sh");
/// Ann goes back to her session, everybody else to the node with the least load.
const CHAIN: &str = "[chain.\"user/login\"]\nsteps = [\"builtin:sticky-user\", \"builtin:least-load\"]\n";
/// Prints its name and each argument in a line of its own.
const STAND_IN: &str = "#!/bin/sh\nprintf '%s\\n' \"${0##*/}\" \"$@\" >\"$SEEN\"\n";

/// A gateway: the script with this site's settings, and stand-ins on its path.
struct Gateway {
    folder: TempDir,
}

impl Gateway {
    fn new(url: &str, settings: &[(&str, &str)]) -> Self {
        let gateway = Self { folder: TempDir::new().unwrap() };
        let (programs, config) = (gateway.path("programs"), gateway.path("ssh.toml"));
        std::fs::create_dir(&programs).unwrap();
        std::fs::write(&config, format!("[nats]\nurl = {url:?}\n")).unwrap();
        std::os::unix::fs::symlink(WHITHER, programs.join("whither")).unwrap();
        for name in ["ssh", "nc"] {
            gateway.program(name, STAND_IN);
        }
        gateway.program("id", "#!/bin/sh\nprintf '%s\\n' \"$LOGIN\"\n");
        // As sudo does: it clears the environment, and says who called.
        let sudo = "#!/bin/sh\nshift 4\nexec env -i PATH=\"$PATH\" SUDO_USER=\"$LOGIN\" \"$@\"\n";
        gateway.program("sudo", sudo);
        let mut script = SCRIPT.to_owned();
        let path = format!("{}:/usr/bin:/bin", programs.display());
        let config = config.to_string_lossy().into_owned();
        for (name, value) in [("PATH", path.as_str()), ("config", config.as_str())].iter().chain(settings) {
            let line = script.lines().find(|line| line.starts_with(&format!("{name}="))).unwrap().to_owned();
            script = script.replacen(&line, &format!("{name}={value}"), 1);
        }
        gateway.program("ssh-balance.sh", &script);
        gateway
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("programs").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the script as `login`, and returns what the stand-in was told.
    fn run(&self, login: &str, arguments: &[&str], command: Option<&str>) -> (Vec<String>, Output) {
        let seen = self.path("seen");
        let _gone = std::fs::remove_file(&seen);
        let mut script = Command::new(self.path("programs").join("ssh-balance.sh"));
        script.args(arguments).current_dir(self.folder.path()).env("SEEN", &seen).env("LOGIN", login);
        // What a user may set leads nowhere.
        script.env("WHITHER_NATS", "nats://127.0.0.1:1").env("SUDO_USER", "root").env("USER", "root");
        script.envs(command.map(|command| ("SSH_ORIGINAL_COMMAND", command)));
        let output = script.output().unwrap();
        let told = std::fs::read_to_string(&seen).unwrap_or_default();
        (told.lines().map(str::to_owned).collect(), output)
    }

    #[track_caller]
    fn goes(&self, login: &str, arguments: &[&str], command: Option<&str>, expected: &[&str]) {
        let (told, output) = self.run(login, arguments, command);
        assert_eq!(told, expected, "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[track_caller]
    fn refuses(&self, login: &str, arguments: &[&str], words: &str) {
        let (told, output) = self.run(login, arguments, None);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((told.len(), output.status.code()), (0, Some(75)), "{login:?}: {told:?} {stderr}");
        assert!(stderr.contains(words), "{login:?}: {stderr}");
        self.is_clean(login);
    }

    /// Checks that nothing of `login` was run.
    #[track_caller]
    fn is_clean(&self, login: &str) {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.retain(|name| !["programs", "seen", "ssh.toml"].contains(&name.as_str()));
        assert_eq!(names, [""; 0], "{login:?}");
    }
}

async fn site(nodes: &[(&str, f64, &[&str])]) -> (Nats, Serve, Client) {
    let nats = Nats::start();
    let serve = Serve::start(&nats, CHAIN, &[]).await;
    let client = nats.client().await;
    let document = |(id, load, users): &(&str, f64, &[&str])| {
        let sessions: Vec<_> = users.iter().map(|user| json!({"id": format!("s-{user}"), "user": user})).collect();
        json!({"id": id, "nodeData": {"sessions": sessions, "health": {"cpu": {"load1": load, "cores": 4}}}})
    };
    report(&client, &nodes.iter().map(document).collect::<Vec<_>>()).await;
    (nats, serve, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_to_the_node_that_the_service_chooses() {
    let (nats, _serve, _client) = site(&[("n1.example.org", 3.0, &["ann"]), ("n2.example.org", 0.5, &[])]).await;
    let gateway = Gateway::new(&nats.url(), &[]);
    gateway.goes("ann", &["force"], None, &["ssh", "-t", "-l", "ann", "n1.example.org"]);
    gateway.goes("bob", &["force"], None, &["ssh", "-t", "-l", "bob", "n2.example.org"]);
    gateway.goes("root", &["proxy", "bob", "22"], None, &["nc", "n2.example.org", "22"]);
    // The command stays one word, whatever is in it.
    let nasty = "echo \"$(touch pwned)\"; touch pwned # `touch pwned`";
    gateway.goes("bob", &["force"], Some(nasty), &["ssh", "-l", "bob", "n2.example.org", nasty]);
    gateway.is_clean("bob");
    let sftp = ["ssh", "-s", "-l", "bob", "n2.example.org", "sftp"];
    gateway.goes("bob", &["force"], Some("/usr/lib/openssh/sftp-server -l INFO"), &sftp);
    // Through sudo the config may be the service's own.
    let gateway = Gateway::new(&nats.url(), &[("ask_as", "whither")]);
    gateway.goes("ann", &["force"], None, &["ssh", "-t", "-l", "ann", "n1.example.org"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_become_no_commands() {
    let (nats, _serve, client) = site(&[("n1", 0.5, &[])]).await;
    let gateway = Gateway::new(&nats.url(), &[]);
    let nasty = [
        "",
        "-oProxyCommand=touch pwned",
        "--config=/etc/passwd",
        "ann; touch pwned",
        "ann bob",
        "$(touch pwned)",
        "`touch pwned`",
        "ann'; touch pwned; '",
        "ann\ntouch pwned",
        "ann\tbob",
        "*",
        "../../etc/passwd",
        "a|b",
        "ann>pwned",
        "\u{1b}[2J",
        "änn",
        &"x".repeat(300),
    ];
    for login in nasty {
        gateway.refuses(login, &["force"], "this login name has characters");
        gateway.refuses("ann", &["proxy", login, "22"], "this login name has characters");
        if !login.is_empty() {
            gateway.refuses("ann", &["proxy", "ann", login], "the port is no number");
        }
    }
    for arguments in [["proxy"].as_slice(), &["proxy", "ann"], &[], &["start"]] {
        gateway.refuses("ann", arguments, "usage: ");
    }
    // A node may call itself anything.
    for id in ["-oProxyCommand=touch pwned", "n2;touch pwned", "n2 -v"] {
        let document = json!({"id": id, "nodeData": {"sessions": [{"id": "s", "user": "eve"}]}});
        report(&client, &[document]).await;
        gateway.refuses("eve", &["force"], "the node has a name that is no host name");
        crate::support::serve::retire(&client, id).await;
    }
}

#[tokio::test]
async fn without_an_answer_the_fallback_counts() {
    let nowhere = "nats://127.0.0.1:1";
    let gateway = Gateway::new(nowhere, &[]);
    // Nothing waits for a broker that is away: a stand-in for `whither` fails as `whither` does after its patience.
    let instead = |gateway: &Gateway| {
        std::fs::remove_file(gateway.path("programs/whither")).unwrap();
        gateway.program("whither", "#!/bin/sh\necho 'NATS cannot be reached' >&2\nexit 1\n");
    };
    instead(&gateway);
    gateway.refuses("ann", &["force"], "no node can be had");
    let gateway = Gateway::new(nowhere, &[("fallback", "login1")]);
    instead(&gateway);
    gateway.goes("ann", &["force"], None, &["ssh", "-t", "-l", "ann", "login1"]);
    assert!(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ssh-balance.sh"))
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o111
            != 0
    );
}
