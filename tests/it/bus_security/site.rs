//! A site under the shipped server configs: a copy of them, passwords, and processes that log in with them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use async_nats::{Client, ConnectOptions, Event};
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::shell::{Shell, Told, WHITHER};

/// The passwords that the configs read from the environment; as a config has them, so in quotes.
pub(crate) const PASSWORDS: [(&str, &str); 6] = [
    ("WHITHER_SERVICE_PASSWORD", "\"service-pw\""),
    ("WHITHER_ADMIN_PASSWORD", "\"admin-pw\""),
    ("WHITHER_LAUNCHER_PASSWORD", "\"launcher-pw\""),
    ("WHITHER_NODE_1_PASSWORD", "\"node-1-pw\""),
    ("WHITHER_NODE_2_PASSWORD", "\"node-2-pw\""),
    ("WHITHER_OPERATOR_PASSWORD", "\"operator-pw\""),
];

const SECONDS_FOR_A_TEST: &str = "0.5";

/// A folder with the shipped configs in it.
pub(crate) fn configs() -> TempDir {
    let folder = TempDir::new().unwrap();
    let shipped: PathBuf = [env!("CARGO_MANIFEST_DIR"), "scripts", "nats"].iter().collect();
    std::fs::create_dir(folder.path().join("three-servers")).unwrap();
    for name in
        ["accounts.conf", "one-server.conf", "three-servers/a.conf", "three-servers/b.conf", "three-servers/c.conf"]
    {
        std::fs::copy(shipped.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// The one server, by its config as it is: only its address, port and store are the test's.
pub(crate) fn one_server() -> Nats {
    Nats::told(configs(), &["-c", "one-server.conf"], &PASSWORDS)
}

/// `[nats]` lines with which `user` logs in.
pub(crate) fn section(urls: &[String], user: &str, more: &str) -> String {
    format!(
        "[nats]\nurl = {urls:?}\nuser = \"{user}\"\npassword = \"{user}-pw\"\ninbox_prefix = \"_INBOX.{user}\"\n{more}\n"
    )
}

/// A config of `user`, readable by its owner alone, as it must be.
pub(crate) fn config(folder: &Path, user: &str, text: &str) -> String {
    let path = folder.join(format!("{user}.toml"));
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A `whither` process that runs until the test ends.
pub(crate) struct Running {
    process: Child,
    log: PathBuf,
}

impl Running {
    /// `whither` with `arguments`; what it logs goes to `log` in `folder`.
    pub(crate) fn start(folder: &Path, log: &str, arguments: &[&str]) -> Self {
        let log = folder.join(log);
        let process = Command::new(WHITHER)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, log }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it logged `words`.
    pub(crate) async fn says(&self, words: &str) {
        eventually(words, async || self.log().contains(words).then_some(())).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// The service and the agents of both nodes, each with its own login.
pub(crate) struct Site {
    pub(crate) service: Running,
    pub(crate) agents: Vec<Running>,
    /// Last, because what they logged stands in it.
    pub(crate) folder: TempDir,
}

impl Site {
    /// Starts them on the servers at `urls`; `more` are lines of `[nats]`.
    pub(crate) async fn start(urls: &[String], more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let chain = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";
        let text = section(urls, "service", more) + chain;
        let service = Running::start(
            folder.path(),
            "serve.log",
            &["serve", "--config", &config(folder.path(), "service", &text)],
        );
        for user in ["admin", "launcher"] {
            config(folder.path(), user, &section(urls, user, more));
        }
        // Agents may not make the bucket.
        service.says("answering").await;
        let agents = ["node-1", "node-2"].map(|node| {
            let config = config(folder.path(), node, &section(urls, node, more));
            let mut arguments = vec!["agent", "--id", node, "--interval", SECONDS_FOR_A_TEST, "--config", &config];
            arguments.extend(["--start-command", r#"["echo", "{\"result\": 7}"]"#]);
            Running::start(folder.path(), &format!("{node}.log"), &arguments)
        });
        let site = Self { service, agents: agents.into(), folder };
        eventually("both nodes are there", async || {
            let nodes = site.command("admin", &["nodes"]).stdout;
            (nodes.contains("node-1") && nodes.contains("node-2")).then_some(())
        })
        .await;
        site
    }

    /// Runs a command with the config of `user`.
    pub(crate) fn command(&self, user: &str, arguments: &[&str]) -> Told {
        let config = self.folder.path().join(format!("{user}.toml"));
        Shell::new().whither(arguments.iter().copied().chain(["--config", config.to_str().unwrap()]))
    }
}

/// A client that is logged in, and what the server objected to.
pub(crate) struct Login {
    pub(crate) client: Client,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Login {
    /// Logs in as `user` with its password and its inbox.
    pub(crate) async fn of(url: &str, user: &str) -> Self {
        let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&complaints);
        let options = ConnectOptions::with_user_and_password(user.to_owned(), format!("{user}-pw"))
            .custom_inbox_prefix(format!("_INBOX.{user}"))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    heard.lock().unwrap().push(error.to_string().to_lowercase());
                }
                std::future::ready(())
            });
        Self { client: options.connect(url).await.unwrap(), complaints }
    }

    /// Waits until the server refused it to publish on `subject`.
    pub(crate) async fn may_not_publish(&self, subject: &str) {
        self.client.publish(subject.to_owned(), "{}".into()).await.unwrap();
        self.refused("publish", subject).await;
    }

    /// Waits until the server refused it to listen to `subject`.
    pub(crate) async fn may_not_hear(&self, subject: &str) {
        let _subscriber = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.refused("subscription", subject).await;
    }

    /// Returns the subjects, in lower case, on which the server refused it to `publish`, or a `subscription`. The server
    /// reads in order: once it has refused what nobody may do, it has judged everything before.
    pub(crate) async fn refusals(&self, what: &str) -> BTreeSet<String> {
        match what {
            "publish" => self.may_not_publish("nobody.may.publish").await,
            _ => self.may_not_hear("nobody.may.hear").await,
        }
        let words = format!("permissions violation for {what} to \"");
        let complaints = self.complaints.lock().unwrap();
        let subject = |said: &String| Some(said.split_once(&words)?.1.split('"').next()?.to_owned());
        complaints.iter().filter_map(subject).collect()
    }

    async fn refused(&self, what: &str, subject: &str) {
        let words = format!("permissions violation for {what} to \"{}\"", subject.to_lowercase());
        self.client.flush().await.unwrap();
        eventually(&words, async || {
            self.complaints.lock().unwrap().iter().any(|said| said.contains(&words)).then_some(())
        })
        .await;
    }
}
