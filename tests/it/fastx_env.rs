//! FastX's environment as the place where the load balancer stands: for `serve`, and for `new config --from-fastx`.

use std::path::Path;

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, report};
use crate::support::shell::{Shell, Told, WHITHER};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder for a command, with FastX's settings in `fx/fastx.env`.
fn shell(settings: &str) -> Shell {
    let shell = Shell::new();
    shell.write("fx/fastx.env", settings);
    let folder = shell.folder().join("fx").to_string_lossy().into_owned();
    shell.with("FX_CONFIG_DIR", &folder)
}

/// Starts a service that must refuse to start; nobody listens at its bus.
fn serve(shell: &Shell) -> Told {
    shell.whither(["serve", "--nats", "nats://127.0.0.1:1"])
}

#[track_caller]
fn refused(told: &Told, words: &[&str]) {
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{}", told.stderr);
    for word in words {
        assert!(told.stderr.contains(word), "`{word}` is not in: {}", told.stderr);
    }
}

fn node(id: &str, free: u64, services: &[&str]) -> Value {
    json!({"id": id, "nodeData": {"sessions": [], "services": services, "health": {"mem": {"free": free, "total": 99}}}})
}

#[tokio::test]
async fn a_service_without_a_chain_takes_fastxs() {
    let nats = Nats::start();
    let folder = TempDir::new().unwrap();
    let settings = folder.path().join("fastx.env");
    std::fs::write(&settings, "LOAD_BALANCER=Round Robin\n").unwrap();
    let place = folder.path().to_string_lossy().into_owned();
    let mut serve = Serve::without_config(&nats, folder, &[("FX_CONFIG_DIR", &place)]);
    serve.ready().await;
    serve.logged("FastX's load balancer").await;
    serve.logged("builtin:round-robin").await;
    assert!(serve.log().contains("fastx.env"), "{}", serve.log());
    let client = nats.client().await;
    let nodes = [node("most", 90, &["other"]), node("less", 10, &["launcher"]), node("more", 20, &["launcher"])];
    report(&client, &nodes).await;
    let mut chosen = Vec::new();
    for _ in 0..4 {
        chosen.push(ask(&client, "whither.place", &json!({})).await.body["node"].clone());
    }
    assert_eq!(chosen, ["less", "more", "less", "more"], "a node without a launcher takes none");

    std::fs::write(&settings, "LOAD_BALANCER=most-available-memory\n").unwrap();
    serve.signal(Signal::HUP);
    eventually("the reload counts", async || {
        let asked = ask(&client, "whither.explain", &json!({})).await.body;
        asked.to_string().contains("builtin:most-memory").then_some(())
    })
    .await;
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["node"], "more");

    std::fs::write(&settings, "nonsense\n").unwrap();
    serve.signal(Signal::HUP);
    serve.logged("the old one stays").await;
    serve.logged("line 1: expected NAME=value").await;
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["node"], "more");
}

#[test]
fn a_service_says_what_is_wrong_with_fastxs_settings() {
    refused(&serve(&shell("LOAD_BALANCER=Fewest Session\n")), &["Fewest Session`", "fx/fastx.env", "did you mean"]);
    refused(&serve(&shell("LOAD_BALANCER=custom\n")), &["LOAD_BALANCER_SCRIPT"]);
    refused(&serve(&shell("LOAD_BALANCER_SCRIPT=/x\n")), &["LOAD_BALANCER=custom"]);
    refused(&serve(&shell("A=1\nbroken\n")), &["fx/fastx.env", "line 2"]);
    refused(&serve(&shell("LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=gone.py\n")), &["fx/gone.py", "no such file"]);
    if !Path::new("/etc/fastx/fastx.env").exists() {
        let nothing = serve(&shell("A=1\n"));
        refused(&nothing, &["`whither.toml`: no such file", "whither new config", "LOAD_BALANCER", "fx/fastx.env"]);
        let shell = shell("A=1\n");
        shell.write("whither.toml", "[service]\nretries = 1\n");
        refused(&serve(&shell), &["there is no chain", "session/start", "LOAD_BALANCER"]);
    }
    let named = shell("LOAD_BALANCER=weighted\n");
    refused(&named.whither(["serve", "--nats", "nats://127.0.0.1:1", "--config", "whither.toml"]), &["no such file"]);
}

#[test]
fn a_service_is_not_its_own_load_balancer() {
    let shell = Shell::new();
    let link = shell.folder().join("whither-place");
    std::os::unix::fs::symlink(WHITHER, &link).unwrap();
    for path in [Path::new(WHITHER), &link] {
        let shell = self::shell(&format!("LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT={}\n", path.display()));
        refused(&serve(&shell), &[&path.to_string_lossy(), "whither itself", "for ever"]);
        refused(&shell.whither(["new", "config", "--from-fastx"]), &["whither itself"]);
    }
    let shell = shell.with("LOAD_BALANCER", "custom").with("LOAD_BALANCER_SCRIPT", "whither-place");
    refused(&serve(&shell), &["in the environment", "whither itself"]);
}

#[test]
fn a_config_is_written_from_fastxs_settings() {
    let shell = shell("LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=choose.js\nLICENCES=\"a b\"\n");
    shell.write("fx/choose.js", "(input) => input.nodes.find((node) => node.id === 'b').id");
    let told = shell.whither(["new", "config", "--from-fastx"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), ""), "{}", told.stderr);
    assert!(told.stderr.contains("`LOAD_BALANCER_SCRIPT` in `") && told.stderr.contains("fx/fastx.env`"));
    let script = shell.folder().join("fx/choose.js");
    let config = shell.read("whither.toml");
    for line in [
        format!("steps = [\"{}\"]", script.display()),
        "\nrequire_services = [\"launcher\"]".to_owned(),
        "\nenvironment = [\"LICENCES\"]".to_owned(),
    ] {
        assert!(config.contains(&line), "{line}: {config}");
    }
    let nodes =
        r#"[{"id": "a", "nodeData": {"services": ["launcher"]}}, {"id": "b", "nodeData": {"services": ["launcher"]}}]"#;
    shell.write("nodes.json", nodes);
    assert_eq!(shell.whither(["place", "--nodes", "nodes.json"]).stdout, "b\n");
    refused(&shell.whither(["new", "config", "--from-fastx", "--script", "x.js"]), &["--from-fastx"]);
    if !Path::new("/etc/fastx/fastx.env").exists() {
        let nothing = self::shell("A=1\n").whither(["new", "config", "--from-fastx"]);
        refused(&nothing, &["LOAD_BALANCER", "fx/fastx.env", "/etc/fastx/fastx.env"]);
    }
}
