//! `whither import fastx`: what is written can be checked and placed by, and every line of the report is true.

use std::os::unix::fs::PermissionsExt;

use crate::support::cluster::NatsCluster;
use crate::support::launcher::{is_placed, place};
use crate::support::serve::{Serve, bucket};
use crate::support::shell::{Shell, Told};
use crate::support::{PATIENCE, eventually};
use serde_json::{Value, json};

const GPU: &str = include_str!("../fastx/gpu.js");
const STAY: &str = include_str!("../fastx/reconnect.js");

/// A broker of the FastX clustering quick reference, with three cluster managers.
fn broker(servers: &[String]) -> String {
    json!({"transporterType": "nats", "namespace": "fastx", "rejectUnauthorized": false,
        "options": {"servers": servers, "token": "hush-hush"}})
    .to_string()
}

/// A FastX 3 store: documents with scripts, the chains that name them, and what is not about balancing.
fn store(shell: &Shell) {
    let lines = [
        json!({"$$indexCreated": {"fieldName": "_id", "unique": true}}),
        json!({"_id": "s1", "data": {"name": "GPU only", "script": "old text"}}),
        json!({"_id": "s2", "data": {"name": "Fewest Sessions", "script": "function(input) { return 1 }"}}),
        json!({"_id": "s3", "data": {"name": "gone", "script": "function(input) { return 2 }"}}),
        json!({"_id": "s1", "data": {"name": "GPU only", "script": GPU}}),
        json!({"_id": "s3", "$$deleted": true}),
        json!({"_id": "s4", "data": {"name": "Back to my session", "script": STAY}}),
        json!({"_id": "s5", "data": {"name": "unused", "script": "function(input) { return }"}}),
        json!({"_id": "loadBalancing", "data": {"start": ["s1", "Fewest Sessions"], "login": ["s4"], "stickiness": 3}}),
        json!({"_id": "jobScheduling", "data": {"script": "function(input) { return 'qsub' }"}}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    shell.write("store/config-store.db", text);
    shell.write("store/system-bookmark-store.db", "{\"_id\":\"xterm\",\"data\":{\"command\":\"xterm\"}}\nbroken\n");
    let server = json!({"_id": "node7", "staticData": {"gpu": true, "users": ["ann"]}});
    shell.write("store/server-store.db", format!("{server}\n"));
}

fn mode(shell: &Shell, name: &str) -> u32 {
    std::fs::metadata(shell.folder().join(name)).unwrap().permissions().mode() & 0o777
}

#[track_caller]
fn says(told: &Told, code: i32, words: &[&str]) {
    assert_eq!(told.code, Some(code), "{}{}", told.stdout, told.stderr);
    for words in words {
        let is_there = told.stdout.contains(words) || told.stderr.contains(words);
        assert!(is_there, "`{words}` is not in: {}{}", told.stdout, told.stderr);
    }
}

#[test]
fn a_store_becomes_chains_that_check_and_place() {
    let shell = Shell::new();
    store(&shell);
    let servers = ["nats://m1:4222".to_owned(), "nats://m2:4222".to_owned(), "nats://m3:4222".to_owned()];
    shell.write("broker.json", broker(&servers));
    let arguments = ["import", "fastx", "--store", "store", "--broker", "broker.json", "--out", "out"];
    let told = shell.whither(arguments);
    says(
        &told,
        6,
        &[
            "s1: data.script: `scripts/gpu-only.js`, unchanged",
            "predefined `Fewest Sessions` is `builtin:fewest-sessions`",
            "loadBalancing: data.start[0]: step 1 of `session/start`: `scripts/gpu-only.js`",
            "loadBalancing: data.start[1]: step 2 of `session/start`: `builtin:fewest-sessions`",
            "step 1 of `user/login`: `scripts/back-to-my-session.js`",
            "`scripts/unused.js` is in no chain: nothing names it in a chain",
            "not understood: `loadBalancing: data.stickiness`",
            "a job script starts sessions",
            "lines that are no documents: 1, the first is line 2",
            "static data of `node7`, in `static-data/node7.json`",
            "rejectUnauthorized",
            "nats.tls_ca",
            "nats.replicas",
            "wrote into out: ",
        ],
    );
    assert!(!told.stdout.contains("hush-hush") && !told.stderr.contains("hush-hush"), "{}", told.stdout);
    assert_eq!((mode(&shell, "out/whither.toml"), mode(&shell, "out/scripts/gpu-only.js")), (0o600, 0o644));
    assert_eq!(shell.read("out/scripts/gpu-only.js"), GPU);
    let config = shell.read("out/whither.toml");
    for line in ["token = \"hush-hush\"", "namespace = \"fastx\"", "replicas = 3", "\"nats://m2:4222\""] {
        assert!(config.contains(line), "{line}: {config}");
    }
    let checked = shell.whither(["check", "out/whither.toml"]);
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    let nodes =
        json!([{"serverId": "a", "sessions": 1}, {"serverId": "b", "sessions": 4, "staticData": {"gpu": true}}]);
    shell.write("nodes.json", nodes.to_string());
    let config = ["--nodes", "nodes.json", "--config", "out/whither.toml"];
    let placed = shell.whither(["place"].into_iter().chain(config));
    assert_eq!((placed.code, placed.stdout.as_str()), (Some(0), "b\n"), "{}", placed.stderr);

    // A second time nothing is touched, and with --force everything is written anew.
    shell.write("out/whither.toml", "mine");
    says(&shell.whither(arguments), 2, &["out/whither.toml` are there already", "--force", "nothing was written"]);
    assert_eq!(shell.read("out/whither.toml"), "mine");
    says(&shell.whither(arguments.into_iter().chain(["--force"])), 6, &["wrote into out"]);
    assert!(shell.read("out/whither.toml").contains("hush-hush"));
    let names = std::fs::read_dir(shell.folder().join("out")).unwrap().count();
    assert_eq!(names, 3, "the config, the scripts and the static data alone");
}

#[test]
fn a_dry_run_writes_nothing_and_json_says_the_same() {
    let shell = Shell::new();
    store(&shell);
    let told = shell.whither(["import", "fastx", "--store", "store", "--out", "out", "--dry-run", "--json"]);
    says(&told, 6, &[]);
    assert!(!shell.folder().join("out").exists());
    let document: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(document["written"], false);
    let paths: Vec<_> =
        document["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"out/whither.toml") && paths.contains(&"out/scripts/gpu-only.js"), "{paths:?}");
    let lines = document["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["place"] == "jobScheduling: data.script").unwrap();
    assert_eq!(
        (line["outcome"].as_str(), line["source"].as_str()),
        (Some("not-imported"), Some("store/config-store.db"))
    );
    assert_eq!(document["check"]["findings"], json!([]), "{document:#}");
}

#[test]
fn an_environment_of_fastx_4_becomes_a_chain_with_its_program() {
    let shell = Shell::new();
    let program = shell.write("fx/choose", "#!/bin/sh\nprintf 'n2\\n'\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    shell.write(
        "fx/fastx.env",
        "LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=choose\nLM_LICENSE_FILE=1700@x\nMETADATA_GPU=\"a 100\"\n\
         LAUNCHER_SCRIPT=/opt/launch\n",
    );
    let told = shell.whither(["import", "fastx", "--env", "fx/fastx.env", "--out", "out"]);
    says(
        &told,
        0,
        &[
            "`LOAD_BALANCER_SCRIPT` in `",
            "LM_LICENSE_FILE",
            "METADATA_GPU",
            "agent.env",
            "LAUNCHER_SCRIPT",
            "Move from FastX",
        ],
    );
    let config = shell.read("out/whither.toml");
    for line in [
        &format!("    \"{}\",\n", program.display()),
        "require_services = [\"launcher\"]",
        "environment = [\"LM_LICENSE_FILE\"]",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(shell.read("out/agent.env").ends_with("METADATA_GPU=\"a 100\"\n"));
    assert_eq!(shell.whither(["check", "out/whither.toml"]).code, Some(0));
    // The agent shows the metadata that the file sets.
    let agent = format!("set -a; . out/agent.env; exec {} agent --once", crate::support::shell::WHITHER);
    let told = shell.run(std::path::Path::new("/bin/sh"), ["-c", &agent], "");
    let document: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{told:?}"));
    assert_eq!(document["metadata"]["gpu"], "a 100");
    // FastX's own folders are read where nothing is named.
    let folder = shell.folder().join("fx").to_string_lossy().into_owned();
    let var = shell.folder().join("var").to_string_lossy().into_owned();
    let shell = shell.with("FX_CONFIG_DIR", &folder).with("FX_VAR_DIR", &var);
    says(&shell.whither(["import", "fastx", "--out", "two"]), 0, &["fx/fastx.env", "wrote into two"]);
}

#[test]
fn scripts_of_a_folder_are_shown_with_what_is_wrong_with_them() {
    let shell = Shell::new();
    shell.write("balancers/10-gpu.js", "function(input) {\n  return input.servers.filter(s => s.sesions == 0)\n}\n");
    shell.write("balancers/20-broken.js", "function(input) { return input.servers[ }");
    shell.write("balancers/login/stay.js", STAY);
    let told = shell.whither(["import", "fastx", "--scripts", "balancers"]);
    says(
        &told,
        6,
        &[
            "neither its name nor its folder tells its chain: taken for `session/start`",
            "step 2 of `session/start`: `scripts/20-broken.js`",
            "step 1 of `user/login`: `scripts/stay.js`",
            "scripts/10-gpu.js:2:38: warning[W001]",
            "scripts/20-broken.js:1:",
            "error[E001]",
        ],
    );
}

#[test]
fn what_cannot_be_imported_is_refused_by_name() {
    let shell = Shell::new();
    let redis = json!({"transporterType": "redis", "namespace": "n", "host": "h", "port": 6379, "password": "pst"});
    shell.write("broker.json", redis.to_string());
    let told = shell.whither(["import", "fastx", "--broker", "broker.json", "--out", "out"]);
    says(
        &told,
        6,
        &["the transporter is `redis`: whither speaks NATS alone", "nats-server -js", "chain.\"session/start\""],
    );
    let config = shell.read("out/whither.toml");
    assert!(config.contains("no server was imported") && config.contains("builtin:fewest-sessions"), "{config}");
    assert!(!told.stdout.contains("pst") && !config.contains("pst"));
    assert_eq!(shell.whither(["check", "out/whither.toml"]).code, Some(0));

    for (arguments, words) in [
        (["--broker", "gone.json"], "`gone.json`: no such file"),
        (["--env", "gone.env"], "gone.env`: no such file"),
        (["--store", "gone"], "`gone`: no such file or folder"),
        (["--scripts", "gone"], "`gone`: no such file or folder"),
    ] {
        says(&shell.whither(["import", "fastx"].into_iter().chain(arguments)), 2, &[words]);
    }
    shell.write("broken.json", "{\"transporterType\": ");
    shell.write("broken.env", "A=1\nbroken\n");
    let told = shell.whither(["import", "fastx", "--broker", "broken.json", "--out", "three"]);
    says(&told, 6, &["not valid JSON: it ends too early"]);
    says(&shell.whither(["import", "fastx", "--env", "broken.env"]), 2, &["line 2: expected NAME=value"]);
    let nowhere = shell.folder().join("nowhere").to_string_lossy().into_owned();
    let shell = shell.with("FX_CONFIG_DIR", &nowhere).with("FX_LOCAL_DIR", &nowhere);
    if !std::path::Path::new("/etc/fastx/fastx.env").exists() {
        says(&shell.whither(["import", "fastx"]), 2, &["nothing of FastX is on this machine", "--env, --broker"]);
    }
}

/// The three cluster managers of FastX's quick reference, as the guide has them: NATS is the cluster, and the config is
/// the one that an import of their `broker.json` writes.
#[tokio::test(flavor = "multi_thread")]
async fn three_managers_go_on_when_one_is_killed() {
    let mut cluster = NatsCluster::start();
    cluster.meta_leader().await;
    let shell = Shell::new();
    shell.write("balancers/10-gpu.js", GPU);
    shell.write("balancers/20-Fewest Sessions.js", "function(input) { return 1 }");
    let servers = json!({"transporterType": "nats", "options": {"servers": cluster.urls()}});
    shell.write("broker.json", servers.to_string());
    let told = shell.whither(["import", "fastx", "--broker", "broker.json", "--scripts", "balancers"]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    let folder = shell.folder().to_owned();
    let mut managers: Vec<Serve> = (0..3).map(|_| Serve::with_config(&folder.join("whither.toml"))).collect();
    for manager in &mut managers {
        manager.ready().await;
    }
    let client = cluster.client().await;
    for (id, gpu) in [("n1", true), ("n2", true), ("n3", false)] {
        let document = json!({"id": id, "nodeData": {"sessions": []}, "staticData": {"gpu": gpu}}).to_string();
        eventually("the report is taken", async || bucket(&client).await.put(id, document.clone().into()).await.ok())
            .await;
    }
    eventually("a place is found", async || is_placed(place(&client, "first", PATIENCE).await.as_ref()).then_some(()))
        .await;
    for (number, name) in ["s0", "s1", "s2"].into_iter().enumerate() {
        cluster.server(name).kill();
        for user in 0..10 {
            let user = format!("user-{number}-{user}");
            let reply = place(&client, &user, PATIENCE).await;
            assert!(is_placed(reply.as_ref()), "without {name}: {reply:?}");
            let node = reply.unwrap().body["node"].as_str().unwrap().to_owned();
            assert!(["n1", "n2"].contains(&node.as_str()), "{node}");
        }
        cluster.server(name).restart();
        cluster.meta_leader().await;
    }
    // And one that loses a manager's service.
    managers.truncate(2);
    assert!(is_placed(place(&client, "last", PATIENCE).await.as_ref()));
}
