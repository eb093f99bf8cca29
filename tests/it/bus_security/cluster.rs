//! Three servers by the shipped configs: they find one another, the roles work over TLS, and nobody joins uninvited.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use whither::config::{Login, Tls};
use whither::nats::{Connection, frozen};

use super::certificates::Authority;
use super::site::{PASSWORDS, Running, Site, config, configs, section};
use crate::support::eventually;
use crate::support::nats::program;
use crate::support::shell::Shell;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The three servers, with host names and ports that exist here in place of the config's.
struct Servers {
    processes: Vec<Child>,
    routes: Vec<u16>,
    urls: Vec<String>,
    folder: TempDir,
}

impl Servers {
    fn start() -> Self {
        let folder = configs();
        let certificates = folder.path().join("three-servers/certs");
        let authority = Authority::new(&certificates, "ca");
        let (routes, clients) = (NAMES.map(|_| free_port()), NAMES.map(|_| free_port()));
        for (place, name) in NAMES.into_iter().enumerate() {
            authority.sign(&certificates, name);
            let path = folder.path().join(format!("three-servers/{name}.conf"));
            let mut text = std::fs::read_to_string(&path).unwrap();
            for (from, to) in [("0.0.0.0:6222", routes[place]), ("0.0.0.0:4222", clients[place])]
                .map(|(from, port)| (from.to_owned(), format!("127.0.0.1:{port}")))
                .into_iter()
                .chain(
                    NAMES
                        .into_iter()
                        .zip(routes)
                        .map(|(name, port)| (format!("nats-{name}.example.org:6222"), format!("127.0.0.1:{port}"))),
                )
            {
                text = text.replace(&from, &to);
            }
            std::fs::write(&path, text).unwrap();
        }
        let processes = NAMES.map(|name| server(&folder.path().join("three-servers"), name, &format!("{name}.conf")));
        let urls = clients.map(|port| format!("tls://127.0.0.1:{port}"));
        Self { processes: processes.into(), routes: routes.into(), urls: urls.into(), folder }
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("three-servers/{name}.log"))).unwrap()
    }

    /// The lines of `[nats]` with which clients trust the authority.
    fn trust(&self) -> String {
        format!("tls_ca = {:?}", self.folder.path().join("three-servers/certs/ca.pem"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            NAMES.iter().for_each(|name| eprintln!("--- {name}\n{}", self.log(name)));
        }
    }
}

/// A server in `folder`, where its config is and where its certificates are looked for.
fn server(folder: &Path, name: &str, config: &str) -> Child {
    Command::new(program())
        .args(["-c", config, "--store_dir", &format!("store-{name}")])
        .envs(PASSWORDS)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join(format!("{name}.log"))).unwrap())
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_serve_the_roles_and_outlive_one_of_them() {
    let mut servers = Servers::start();
    eventually("the servers agree on a leader", async || {
        NAMES
            .iter()
            .any(|name| servers.log(name).contains("Self is new JetStream cluster metadata leader"))
            .then_some(())
    })
    .await;
    let _site = Site::start(&servers.urls, &servers.trust()).await;
    let authority = servers.folder.path().join("three-servers/certs/ca.pem");
    let login = servers.urls.iter().map(|url| url.replace("tls://", "tls://launcher:launcher-pw@"));
    let login: Vec<String> = login.flat_map(|url| ["--nats".to_owned(), url]).collect();
    let placed = || {
        let shell = Shell::new().with("WHITHER_INBOX_PREFIX", "_INBOX.launcher");
        let shell = shell.with("WHITHER_TLS_CA", authority.to_str().unwrap());
        let answer = shell.whither(["place", "--user", "ann"].into_iter().chain(login.iter().map(String::as_str)));
        answer.stdout.trim().starts_with("node-").then_some(())
    };
    eventually("a placement", async || placed()).await;
    let settings = Connection {
        servers: servers.urls.iter().map(|url| url.parse().unwrap()).collect(),
        logins: vec![Login::Password { user: "service".to_owned(), password: "service-pw".into() }],
        tls: Tls { ca: Some(authority.clone()), ..Tls::default() },
        ..Connection::default()
    };
    assert_eq!(frozen::is_kept(settings).await, Some(false), "a client that freezes is dropped");

    // No certificate, and one of another authority: neither becomes a part of the cluster.
    let folder = TempDir::new().unwrap();
    Authority::new(folder.path(), "other").sign(folder.path(), "stranger");
    let tls = "tls { cert_file: stranger.pem, key_file: stranger.key, ca_file: other.pem, verify: true, timeout: 5 }";
    let routes = servers.routes[0];
    let mut strangers = Vec::new();
    for (name, tls) in [("plain", ""), ("signed", tls)] {
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nserver_name: {name}\n\
             cluster {{ name: whither, listen: \"127.0.0.1:-1\", routes: [\"nats://127.0.0.1:{routes}\"]\n{tls} }}\n"
        );
        std::fs::write(folder.path().join(format!("{name}.conf")), text).unwrap();
        strangers.push(server(folder.path(), name, &format!("{name}.conf")));
    }
    eventually("the server says why it lets nobody in", async || {
        let refusals = servers.log("a").matches("TLS route handshake error").count();
        (refusals >= 2).then_some(())
    })
    .await;
    for mut stranger in strangers {
        let _ = stranger.kill();
        let _ = stranger.wait();
    }
    assert!(placed().is_some());

    // A client that does not know the authority is told so, and one whose password is another's is refused.
    let agent = |file: &str, text: &str| {
        let config = config(folder.path(), file, text);
        Running::start(folder.path(), &format!("{file}.log"), &["agent", "--id", "x", "--config", &config])
    };
    let trusting = format!("tls_ca = {:?}", folder.path().join("other.pem"));
    agent("distrust", &section(&servers.urls, "node-1", &trusting)).says("invalid peer certificate").await;
    let wrong = section(&servers.urls, "node-1", &servers.trust()).replace("node-1-pw", "node-2-pw");
    agent("wrong", &wrong).says("authorization violation").await;

    // Any server but the one that is lost has the cluster's truth: buckets are on one, so that one is kept.
    let stream = json!("KV_whither_nodes");
    let holder = NAMES.iter().position(|name| {
        let store = servers.folder.path().join(format!("three-servers/store-{name}/jetstream/WHITHER/streams"));
        std::fs::read_dir(store)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| stream == json!(entry.file_name().to_string_lossy()))
    });
    let lost = (holder.unwrap() + 1) % NAMES.len();
    servers.processes[lost].kill().unwrap();
    eventually("a placement without that server", async || placed()).await;
}
