//! What the machine has too little of is no fault of a program: that is waited out, and then it is the service's trouble.

use futures_util::future::join_all;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use super::site::{Site, chain, message, outcome};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, plain_nodes, report};

const GOOD: &str = "#!/bin/sh\ncat > /dev/null\necho n01\n";
/// Answers `n01` and says how many descriptors it may open.
const LIMITS: &str = "#!/bin/sh\ncat > /dev/null\nulimit -Sn > limit\necho n01\n";
/// Answers `n01` to each question, and passes over what it is told of nodes.
const RESIDENT: &str = r#"#!/bin/sh
while read -r line; do
    number=${line#\{\"request\":}
    [ "$number" = "$line" ] || echo "{\"request\":${number%%,*},\"answer\":\"n01\"}"
done
"#;

/// Lets `process` have so many descriptors open, those included that it has; how many it might before.
fn allow(process: Pid, descriptors: Option<u64>) -> Option<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(Some(process), Resource::Nofile, Rlimit { current: descriptors, maximum }).unwrap().current
}

#[tokio::test]
async fn a_machine_without_descriptors_is_no_fault_of_a_program() {
    // Far less than the machine may take: its time is not the program's.
    let top = "[limits]\nexecutable_ms = 200";
    let site = Site::new(top, "", &[("good.sh", GOOD)]).await;
    assert_eq!(outcome(&site.ask("good.sh").await), "n01");
    let runner = eventually("the runner", async || site.serve.runner()).await;
    let before = allow(runner, Some(3));
    for answer in join_all((0..20).map(|_| site.ask("good.sh"))).await {
        assert_eq!(outcome(&answer), "internal", "{answer}");
        assert!(message(&answer).contains("no fault of the program's"), "{answer}");
    }
    allow(runner, before);
    assert_eq!(outcome(&site.ask("good.sh").await), "n01");
    assert_eq!(site.serve.runner(), Some(runner));
    assert!(!site.serve.log().contains("quarantine"), "{}", site.serve.log());
    let convicted = site.serve.get("/metrics").1;
    assert!(!convicted.lines().any(|line| line.starts_with("whither_script_limits_total{")), "{convicted}");
}

#[tokio::test]
async fn a_policy_for_errors_holds_there_too() {
    let site = Site::new("", ", on_error = \"fallback:fewest-sessions\"", &[("good.sh", GOOD)]).await;
    let runner = eventually("the runner", async || site.serve.runner()).await;
    allow(runner, Some(3));
    assert_eq!(outcome(&site.ask("good.sh").await), "n00");
}

#[tokio::test]
async fn a_resident_program_that_cannot_be_started_again_keeps_its_good_name() {
    let chains = format!("[limits]\nexecutable_ms = 2000\n{}", chain("a", "resident.sh", ", mode = \"resident\""));
    let site = Site::of(&chains, &[("resident.sh", RESIDENT)], 4).await;
    assert_eq!(outcome(&site.ask("a").await), "n01");
    let runner = eventually("the runner", async || site.serve.runner()).await;
    let path = site.serve.folder().join("resident.sh").to_string_lossy().into_owned();
    let program = Serve::processes(&path)[0];
    let before = allow(runner, Some(3));
    kill_process(Pid::from_raw(i32::try_from(program).unwrap()).unwrap(), Signal::KILL).unwrap();
    eventually("its end", async || Serve::processes(&path).is_empty().then_some(())).await;
    for answer in join_all((0..5).map(|_| site.ask("a"))).await {
        assert_eq!(outcome(&answer), "internal", "{answer}");
    }
    allow(runner, before);
    eventually("its next life", async || (outcome(&site.ask("a").await) == "n01").then_some(())).await;
}

#[tokio::test]
async fn the_service_raises_its_own_limit_and_no_program_s() {
    const FORMER: u64 = 1000;
    let nats = Nats::start();
    let mut serve =
        Serve::with_descriptors(&nats, FORMER, &chain("limits.sh", "limits.sh", ""), &[("limits.sh", LIMITS)]);
    serve.ready().await;
    let client = nats.client().await;
    report(&client, &plain_nodes(4)).await;
    let site = Site { nats, serve, client };
    assert_eq!(outcome(&site.ask("limits.sh").await), "n01");
    let limit = std::fs::read_to_string(site.serve.folder().join("limit")).unwrap();
    assert_eq!(limit.trim(), FORMER.to_string());
    let service = Pid::from_raw(i32::try_from(site.serve.id()).unwrap()).unwrap();
    assert_eq!(soft_limit(service), getrlimit(Resource::Nofile).maximum);
    assert_eq!(soft_limit(site.serve.runner().unwrap()), Some(FORMER));
}

/// The soft limit of descriptors of a process; absent where there is none.
fn soft_limit(process: Pid) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.as_raw_nonzero())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().ok()
}
