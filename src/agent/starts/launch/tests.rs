//! Tests of a start with real programs: those that work, and those that misbehave.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::*;
use crate::agent::starts::Runner;

/// A start program that is a shell script, in a folder of its own.
struct Stand {
    folder: TempDir,
    settings: StartSettings,
    order: StartOrder,
}

impl Stand {
    fn new(script: &str) -> Self {
        Self::of(script, StartProgram::Session)
    }

    fn of(script: &str, program: fn(CommandLine) -> StartProgram) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("start");
        std::fs::write(&path, format!("#!/bin/sh\ncd {}\n{script}\n", folder.path().display())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let line = CommandLine::parse(path.to_str().unwrap()).unwrap();
        let settings = StartSettings {
            program: program(line),
            runner: None,
            limit: Duration::from_secs(30),
            max_output: 1000,
            environment: vec![("HOME".to_owned(), "/home/{user}".to_owned())],
            at_once: 1,
        };
        let reservation = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        let order = StartOrder {
            reservation,
            user: json!({"login": "ann", "sub": "ann"}),
            login: "ann".to_owned(),
            admin: true,
            start: json!({"command": "xterm"}),
            limit_ms: 0,
            deadline_ms: 0,
            recall: false,
        };
        Self { folder, settings, order }
    }

    async fn launch(&self) -> StartAnswer {
        self.launch_within(self.settings.limit).await
    }

    async fn launch_within(&self, limit: Duration) -> StartAnswer {
        launch(&self.settings, (&self.order, None), "node-1", limit).await
    }

    async fn fault(&self) -> (StartFault, String) {
        match self.launch().await {
            StartAnswer::Failed { reason, message } => (reason, message),
            other => panic!("{other:?}"),
        }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

fn is_running(pid: &str) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_session_gets_its_document_and_its_environment() {
    let stand = Stand::new("cat > document; env > environment; echo '{\"result\": {\"id\": 7}, \"more\": 1}'");
    let output = Some(json!({"result": {"id": 7}, "more": 1}));
    assert_eq!(stand.launch().await, StartAnswer::Started { output });
    assert_eq!(stand.read("document"), "{\"command\":\"xterm\"}\n");
    let reservation = format!("WHITHER_RESERVATION={}", stand.order.reservation);
    let mut environment: Vec<_> = stand.read("environment").lines().map(str::to_owned).collect();
    environment.retain(|line| !["PATH=", "PWD=", "OLDPWD=", "_=", "SHLVL="].iter().any(|own| line.starts_with(own)));
    environment.sort();
    assert_eq!(environment, ["HOME=/home/ann", "WHITHER_NODE=node-1", &reservation, "WHITHER_USER=ann"]);
}

#[tokio::test]
async fn a_job_gets_who_asks_and_its_text_defers_the_start() {
    let stand = Stand::of("cat > document; echo Submitted batch job 42", StartProgram::Job);
    let text = "Submitted batch job 42".to_owned();
    assert_eq!(stand.launch().await, StartAnswer::Deferred { text });
    let document: Value = serde_json::from_str(&stand.read("document")).unwrap();
    let user = json!({"login": "ann", "sub": "ann"});
    assert_eq!(document, json!({"user": user, "admin": true, "start": {"command": "xterm"}}));
    let at_once = Stand::of("echo '{\"result\": null}'", StartProgram::Job);
    assert_eq!(at_once.launch().await, StartAnswer::Started { output: Some(json!({"result": null})) });
    let silent = Stand::of("exit 0", StartProgram::Job);
    assert_eq!(silent.launch().await, StartAnswer::Deferred { text: String::new() });
}

#[tokio::test]
async fn what_is_no_result_is_a_text_for_the_user() {
    for (script, text) in
        [("echo 'No licence is left'", "No licence is left"), ("echo '[1]'", "[1]"), ("echo '{}'", "{}")]
    {
        assert_eq!(Stand::new(script).launch().await, StartAnswer::Text { text: text.to_owned() });
    }
    let StartAnswer::Text { text } = Stand::new(r"printf 'caf\351'").launch().await else { panic!("a text") };
    assert_eq!(text, "caf\u{fffd}");
}

#[tokio::test]
async fn each_failure_has_its_name() {
    let cases = [
        ("echo before; echo why >&2; exit 3", StartFault::Exit, "ended with exit status: 3: why"),
        ("echo why; exit 3", StartFault::Exit, "ended with exit status: 3: why"),
        ("echo '{\"result\": 1}'; exit 1", StartFault::Exit, "exit status: 1"),
        ("kill -9 $$", StartFault::Signal, "signal: 9"),
        ("exit 0", StartFault::Silent, "printed nothing"),
        ("exec yes", StartFault::Output, "printed more than"),
    ];
    for (script, fault, words) in cases {
        let (found, message) = Stand::new(script).fault().await;
        assert!(found == fault && message.contains(words), "{script}: {found} {message}");
    }
    let mut missing = Stand::new("");
    missing.settings.program = StartProgram::Session(CommandLine::parse("/nonexistent/start").unwrap());
    let (fault, message) = missing.fault().await;
    assert!(fault == StartFault::Spawn && message.contains("/nonexistent/start cannot be started"), "{message}");
}

#[tokio::test]
async fn a_login_that_is_an_option_runs_nothing() {
    let mut stand = Stand::new("touch ran; echo '{\"result\": 1}'");
    stand.settings.runner = Some(Runner::parse("env -u {user}").unwrap());
    stand.order.login = "-S".to_owned();
    let (fault, message) = stand.fault().await;
    assert!(fault == StartFault::User && message.contains("the login `-S`"), "{message}");
    assert!(!stand.folder.path().join("ran").exists());
}

#[tokio::test]
async fn a_command_that_hangs_dies_with_all_that_it_started() {
    let stand =
        Stand::new("sleep 1000 & echo $! > inside; setsid --fork sh -c 'echo $$ > outside; exec sleep 1000'; wait");
    let answer = stand.launch_within(Duration::from_secs(6)).await;
    assert!(matches!(answer, StartAnswer::Failed { reason: StartFault::Time, .. }), "{answer:?}");
    for file in ["inside", "outside"] {
        while is_running(&stand.read(file)) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_session_lives_on_and_holds_the_answer_back_for_a_moment_at_most() {
    let stand = Stand::new(
        "sleep 1000 & echo $! > inside; setsid --fork sh -c 'echo $$ > outside; exec sleep 1000'\n\
         while ! test -s outside; do sleep 0.01; done; echo '{\"result\": 1}'",
    );
    let begun = Instant::now();
    assert!(matches!(stand.launch().await, StartAnswer::Started { .. }));
    assert!(begun.elapsed() < Duration::from_secs(29));
    assert!(is_running(&stand.read("inside")) && is_running(&stand.read("outside")), "they are the session");
    assert_eq!(leftovers::kill(&stand.order.reservation).await, 0);
}
