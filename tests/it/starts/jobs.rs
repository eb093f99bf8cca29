//! Job scheduling scripts: what they are told, what becomes of their text, and the shipped examples.

use serde_json::{Value, json};

use super::site::{SESSION, StartSite};
use crate::support::eventually;
use crate::support::shell::Shell;

/// The shipped script `name`.
fn shipped(name: &str) -> String {
    format!("{}/scripts/jobs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What asks for the start of a job.
fn request(login: &str) -> Value {
    json!({
        "user": {"sub": login, "mail": "a@b"}, "isAdmin": true,
        "start": {"command": "matlab -r 'x; y'", "geometry": "800x600", "name": "sim", "params": {"mem": "15G", "evil": 1}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_job_reaches_the_requester_and_its_place_is_free_at_once() {
    let site = StartSite::start().await;
    let job = site.program("job", "cat > \"$SITE/document\"; echo Submitted batch job 42");
    let agent = site.agent_of("n1", &["--job-command", &job]).await;
    let reply = site.ask_with(request("ann")).await;
    assert_eq!(reply.code, None);
    let body = reply.body;
    assert_eq!((&body["state"], &body["text"]), (&json!("deferred"), &json!("Submitted batch job 42")), "{body}");
    let document: Value = serde_json::from_str(&site.read("document")).unwrap();
    let user = json!({"sub": "ann", "mail": "a@b", "login": "ann"});
    assert_eq!(document, json!({"user": user, "admin": true, "start": request("ann")["start"]}));
    let node = site.node("n1").await;
    assert_eq!((&node["pending"], &node["state"]), (&json!(0), &json!("ready")), "no cool-down");
    assert_eq!(site.serve.figure("whither_deferred_reservations_total"), Some(1.0));
    assert!(agent.log().contains("starts jobs by"));

    let shell = Shell::new().with("WHITHER_NATS", &site.nats.url());
    let told = tokio::task::spawn_blocking(move || shell.whither(["start", "--user", "ann"])).await.unwrap();
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "Submitted batch job 42\n"), "{told:?}");
    assert!(told.stderr.contains("a job on n1 will start the session:"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_starts_at_once_is_a_session_and_one_that_fails_is_a_failure() {
    let site = StartSite::start().await;
    let broken = site.program("broken", "echo 'sbatch: error: invalid partition' >&2; exit 1");
    let job = site.program("job", SESSION);
    let _first = site.agent_of("n1", &["--job-command", &broken]).await;
    let _second = site.agent_of("n2", &["--job-command", &job]).await;
    let body = site.ask("ann").await.body;
    assert_eq!(
        (&body["state"], &body["node"], &body["result"]),
        (&json!("started"), &json!("n2"), &json!({"display": 7}))
    );
    assert!(body["tries"][0]["message"].as_str().unwrap().contains("sbatch: error: invalid partition"), "{body}");
    site.reported("n2", body["reservation"].as_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_for_slurm_submits_the_session() {
    let site = StartSite::start().await;
    // A stand-in: it notes its arguments, one a line, and says what Slurm says.
    site.program(
        "sbatch",
        "for word; do printf '%s\\n' \"$word\"; done > \"$SITE/sbatch.words\"; echo Submitted batch job 7",
    );
    let path = format!("PATH={}:{}", site.path("").display(), std::env::var("PATH").unwrap());
    let command = shipped("slurm");
    let options = ["--job-command", &command, "--start-env", &path, "--start-env", "SESSION_COMMAND=/opt/run session"];
    let _agent = site.agent_of("n1", &options).await;
    let body = site.ask_with(request("ann")).await.body;
    assert_eq!((&body["state"], &body["text"]), (&json!("deferred"), &json!("Submitted batch job 7")), "{body}");
    let words = site.read("sbatch.words");
    let expected = [
        "--job-name=sim",
        "--output=/dev/null",
        "--mem=15G",
        r#"--wrap='/opt/run session' --command 'matlab -r '"'"'x; y'"'"'' --geometry 800x600"#,
    ];
    assert_eq!(words.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_with_a_delay_answers_at_once_and_starts_the_session_later() {
    let site = StartSite::start().await;
    let session = site.program("session", "cat > \"$SITE/document\"; touch \"$SITE/started-later\"");
    let command = format!("{} 2", shipped("later"));
    let options = ["--job-command", &command, "--start-env", &format!("SESSION_COMMAND={session}")];
    let _agent = site.agent_of("n1", &options).await;
    let body = site.ask_with(request("ann")).await.body;
    assert_eq!(
        (&body["state"], &body["text"]),
        (&json!("deferred"), &json!("Your session starts in 2 seconds.")),
        "{body}"
    );
    eventually("the session starts", async || site.path("started-later").exists().then_some(())).await;
    let document: Value = serde_json::from_str(&site.read("document")).unwrap();
    assert_eq!(document["start"]["name"], "sim");
}
