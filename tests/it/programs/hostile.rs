//! Programs that misbehave: each gets its own named error within its limit, leaves nothing behind, and harms nobody.

use futures_util::future::join_all;
use serde_json::json;

use super::site::{Site, chain, message, outcome};
use crate::support::serve::Serve;

const GOOD: (&str, &str) = ("good.sh", "#!/bin/sh\ncat >/dev/null\necho n01\n");

/// A program: its text, in which `MARK` stands for a number that its `sleep`s have alone, what it comes to, and a word of
/// the message.
type Hostile = (&'static str, &'static str, &'static str, &'static str);

const HOSTILE: &[Hostile] = &[
    ("never-reads", "sleep MARK", "script-limit (time)", "gave no answer within 1500 ms"),
    ("prints-without-end", "exec cat /dev/zero", "script-limit (output)", "more than 64 KiB on standard output"),
    ("binary", r"printf '\377\376\000'", "bad-verdict", "not UTF-8"),
    ("talks", "echo choosing; echo n02", "bad-verdict", "2 lines of text"),
    ("closes-stdout-and-runs-on", "exec >&-; sleep MARK", "script-limit (time)", "no answer within"),
    ("ignores-sigterm", "trap '' TERM; sleep MARK & wait; sleep MARK", "script-limit (time)", "no answer within"),
    ("dies-by-a-signal", "kill -SEGV $$", "script-limit (crash)", "signal 11 (SEGV)"),
    ("complains-without-end", "cat /dev/zero >&2", "script-limit (output)", "1024 KiB on standard error"),
    ("multiplies", "f() { f | f & sleep MARK; }; f", "script-limit (crash)", "more than 64 processes"),
    ("fails-in-silence", "exit 3", "script-error", "exited with code 3 and said nothing"),
    ("fails-at-length", "echo one >&2; echo 'no licences' >&2; echo n02; exit 1", "script-error", "no licences"),
    ("fails-on-stdout", "echo 'All GPU nodes are in use'; exit 1", "script-error", "All GPU nodes are in use"),
    ("names-nobody", "echo nowhere", "unknown-node", "nowhere"),
    ("returns-a-node", "echo '{\"id\":\"n02\"}'", "bad-verdict", "return node.id"),
    ("lists-nobody", "echo '[\"nowhere\"]'", "bad-verdict", "nowhere"),
    ("nests", "head -c 30000 /dev/zero | tr '\\0' '['", "bad-verdict", "nested deeper than 64"),
    ("leaves-a-child", "sleep MARK & echo n02", "n02", ""),
    ("leaves-a-session", "setsid sh -c 'sleep MARK & sleep MARK' & echo n02", "n02", ""),
    ("forks-twice", "(setsid sh -c 'sleep MARK; sleep MARK' >/dev/null 2>&1 &) & echo n02", "n02", ""),
    ("forks-twice-and-hides", "(env -i /usr/bin/setsid /bin/sh -c 'sleep MARK; :' &) & sleep 0.1; echo n02", "n02", ""),
    ("leaves-one-that-ignores", "sh -c \"trap '' TERM HUP; sleep MARK; sleep MARK\" & echo n02", "n02", ""),
];

#[tokio::test]
async fn each_gets_its_own_error_and_leaves_nothing_behind() {
    let mark = |place: usize| format!("86{place:02}.{}", std::process::id());
    let texts: Vec<_> = HOSTILE
        .iter()
        .enumerate()
        .map(|(place, (name, text, ..))| {
            (format!("{name}.sh"), format!("#!/bin/sh\n{}\n", text.replace("MARK", &mark(place))))
        })
        .collect();
    let mut programs: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    programs.push(GOOD);
    // Only those have a limit of their own that must pass it: a busy machine takes its time for the others.
    let limited =
        |name: &str| HOSTILE.iter().any(|(own, _, outcome, _)| name == format!("{own}.sh") && outcome.contains("time"));
    let settings = |name: &str| if limited(name) { ", wall_ms = 1500" } else { "" };
    let chains: String = programs.iter().map(|(name, _)| chain(name, name, settings(name))).collect();
    let site = Site::of(&chains, &programs, 4).await;
    // A request larger than any pipe, so that a program which does not read leaves it half written.
    let padding = json!({"data": {"padding": "x".repeat(900_000)}});
    for (place, (name, _, expected, words)) in HOSTILE.iter().enumerate() {
        let answer = site.ask_with(&format!("{name}.sh"), padding.clone()).await;
        assert_eq!(outcome(&answer), *expected, "{name}: {answer}");
        assert!(message(&answer).contains(words), "{name}: {}", message(&answer));
        assert_eq!(outcome(&site.ask("good.sh").await), "n01", "after {name}");
        site.nothing_left(&mark(place)).await;
    }
}

#[tokio::test]
async fn many_at_once_are_each_answered_and_leave_nothing_behind() {
    let mark = format!("8700.{}", std::process::id());
    let text = format!("#!/bin/sh\nsetsid sleep {mark} &\ncat >/dev/null\necho n02\n");
    let site = Site::new("", "", &[("leaves.sh", &text), GOOD]).await;
    let asked = (0..100).map(|number| site.ask(if number % 2 == 0 { "leaves.sh" } else { "good.sh" }));
    let answers = join_all(asked).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(outcome(answer), if number % 2 == 0 { "n02" } else { "n01" });
    }
    site.nothing_left(&mark).await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let programs = [
        ("gone.sh", "#!/bin/sh\necho n02\n"),
        ("locked.sh", "#!/bin/sh\necho n02\n"),
        ("nowhere.sh", "#!/nonexistent/interpreter\n"),
        GOOD,
    ];
    let site = Site::new("", "", &programs).await;
    std::fs::remove_file(site.serve.folder().join("gone.sh")).unwrap();
    let locked = site.serve.folder().join("locked.sh");
    std::fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (name, words) in [
        ("gone.sh", "there is no file"),
        ("locked.sh", "chmod +x"),
        ("nowhere.sh", "`/nonexistent/interpreter`, which is not there"),
    ] {
        let answer = site.ask(name).await;
        assert_eq!(outcome(&answer), "script-error", "{answer}");
        assert!(message(&answer).contains(words), "{}", message(&answer));
    }
    assert_eq!(outcome(&site.ask("good.sh").await), "n01");
}

/// A program that is written while it is started cannot be executed at that moment.
#[tokio::test]
async fn a_program_may_be_replaced_while_fifty_requests_start_it() {
    let site = Site::new("", "", &[GOOD]).await;
    let path = site.serve.folder().join("good.sh");
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = std::thread::spawn({
        let done = std::sync::Arc::clone(&done);
        move || {
            use std::io::Write;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                // Held open for writing, as a copy over it does; never empty, which would be another program.
                // It cannot be opened at the moment in which somebody starts it.
                let Ok(mut file) = std::fs::OpenOptions::new().write(true).open(&path) else { continue };
                file.write_all(GOOD.1.as_bytes()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
                drop(file);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    });
    let answers = join_all((0..50).map(|_| site.ask("good.sh"))).await;
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    for answer in &answers {
        assert_eq!(outcome(answer), "n01", "{answer}");
    }
}

#[tokio::test]
async fn policies_hold_for_programs_as_for_scripts() {
    let slow = "#!/bin/sh\nsleep 1000\n";
    let broken = "#!/bin/sh\nexit 1\n";
    let mut chains = String::new();
    for (action, settings) in [
        ("skip", ", on_limit = \"skip\", on_error = \"skip\", wall_ms = 200"),
        ("fall", ", on_limit = \"fallback:round-robin\", on_error = \"fallback:round-robin\", wall_ms = 200"),
    ] {
        for program in ["slow.sh", "broken.sh"] {
            chains += &chain(&format!("{action}/{program}"), program, settings).replace("}]", "}, \"good.sh\"]");
        }
    }
    let site = Site::of(&chains, &[("slow.sh", slow), ("broken.sh", broken), GOOD], 4).await;
    for program in ["slow.sh", "broken.sh"] {
        assert_eq!(site.ask(&format!("skip/{program}")).await["decided_by"], "good.sh");
        assert_eq!(site.ask(&format!("fall/{program}")).await["decided_by"], "fallback:round-robin");
    }
}

#[tokio::test]
async fn past_the_bound_programs_wait_for_their_turn() {
    let text = "#!/bin/sh\nls /proc/$PPID/task/$PPID/children >/dev/null\nwc -w < /proc/$PPID/task/$PPID/children >> counts\n\
                sleep 0.05\necho n02\n";
    let site = Site::new("[limits]\nexecutables = 3", "", &[("counts.sh", text)]).await;
    let answers = join_all((0..20).map(|_| site.ask("counts.sh"))).await;
    assert!(answers.iter().all(|answer| outcome(answer) == "n02"), "{answers:?}");
    let counts = std::fs::read_to_string(site.serve.folder().join("counts")).unwrap();
    let most = counts.lines().map(|count| count.trim().parse::<usize>().unwrap()).max().unwrap();
    assert!((1..=3).contains(&most) && counts.lines().count() == 20, "{counts}");
}

#[tokio::test]
async fn a_chain_of_slow_programs_keeps_no_other_chain_waiting() {
    let slow = "#!/bin/sh\nuntil [ -e go ]; do sleep 0.02; done\necho n02\n";
    let site = Site::new("[limits]\nexecutables = 1", "", &[("slow.sh", slow), GOOD]).await;
    let mut waiting = Box::pin(join_all((0..5).map(|_| site.ask("slow.sh"))));
    for _ in 0..10 {
        tokio::select! {
            good = site.ask("good.sh") => assert_eq!(outcome(&good), "n01"),
            early = &mut waiting => panic!("they cannot have an answer yet: {early:?}"),
        }
    }
    std::fs::write(site.serve.folder().join("go"), "").unwrap();
    assert!(waiting.await.iter().all(|answer| outcome(answer) == "n02"));
}

#[tokio::test]
async fn when_the_service_is_killed_its_programs_end() {
    let mark = format!("8800.{}", std::process::id());
    let text = format!("#!/bin/sh\nsleep {mark}\n");
    let site = Site::new("", "", &[("slow.sh", &text)]).await;
    let asked = json!({"action": "slow.sh"}).to_string();
    site.client.publish_with_reply("whither.place", "nobody", asked.into()).await.unwrap();
    site.client.flush().await.unwrap();
    crate::support::eventually("the program", async || (!Serve::processes(&mark).is_empty()).then_some(())).await;
    site.serve.signal(rustix::process::Signal::KILL);
    site.nothing_left(&mark).await;
}
