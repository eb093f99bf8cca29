//! `whither bench` as a person or a program meets it, in a debug build: what it refuses, and with which exit code. Its
//! figures are looked at by people; what makes them is tested beside it.

use crate::support::shell::{Shell, Told};

/// What a debug build ends with when everything else is as it should be.
const ADVICE: &str = "cargo build --release";

fn bench(shell: &Shell, arguments: &[&str]) -> Told {
    shell.whither(["bench"].iter().chain(arguments))
}

/// Checks that nothing was measured, with the exit code and the words that say why.
#[track_caller]
fn failed(told: &Told, code: i32, words: &[&str]) {
    assert_eq!((told.code, told.stdout.as_str()), (Some(code), ""), "{words:?}: {}", told.stderr);
    for word in words {
        assert!(told.stderr.contains(word), "`{word}` is not in: {}", told.stderr);
    }
    assert!(!told.stderr.contains("panicked at") && !told.stderr.contains('\u{1b}'), "{}", told.stderr);
}

#[test]
fn options_out_of_range_are_refused() {
    let shell = Shell::new();
    let nats = ["--nats", "nats://127.0.0.1:1"];
    for (arguments, words) in [
        (vec!["--sizes", "0"], ["--sizes", "0"]),
        (vec!["--sizes", "10,x"], ["--sizes", "x"]),
        (vec!["--sizes", "100001"], ["--sizes", "100001"]),
        (vec!["--seconds", "0"], ["--seconds", "0.01 to 3600"]),
        (vec!["--seconds", "nan"], ["--seconds", "nan"]),
        (vec!["--seconds", "1e9"], ["--seconds", "1e9"]),
        (vec!["--changes", "0"], ["--changes", "0"]),
        (vec!["--peer", "deno"], ["--peer", "node"]),
        (vec!["--each"], ["--each", "--script"]),
        (vec!["--nodes", "n.json", "--sizes", "10"], ["--nodes", "--sizes"]),
        (vec!["--script", "builtin:weighted", "--config", "w.toml"], ["--script", "--config"]),
        ([nats.as_slice(), &["--in-flight", "0"]].concat(), ["--in-flight", "0"]),
        ([nats.as_slice(), &["--in-flight", "65537"]].concat(), ["--in-flight", "65537"]),
        ([nats.as_slice(), &["--rate", "0"]].concat(), ["--rate", "0"]),
    ] {
        failed(&bench(&shell, &arguments), 2, &words);
    }
}

#[test]
fn what_belongs_to_a_service_and_what_does_not_is_not_mixed() {
    let shell = Shell::new();
    let nats = ["--nats", "nats://127.0.0.1:1"];
    failed(&bench(&shell, &["--in-flight", "8"]), 2, &["add --nats URL"]);
    failed(&bench(&shell, &["--rate", "8"]), 2, &["add --nats URL"]);
    for own in [
        ["--script", "builtin:weighted"],
        ["--nodes", "n.json"],
        ["--sizes", "10"],
        ["--changes", "1"],
        ["--plot", "p.svg"],
    ] {
        failed(&bench(&shell, &[nats.as_slice(), &own].concat()), 2, &["a running service is measured", own[0]]);
    }
    failed(&bench(&shell, &[nats.as_slice(), &["--peer", "node"]].concat()), 2, &["leave out", "--peer"]);
}

/// A bench of a service takes thousands of its placements, so it must be asked for.
#[test]
fn a_service_that_only_the_environment_names_is_left_alone() {
    let shell = Shell::new().with("WHITHER_NATS", "nats://127.0.0.1:1");
    let told = bench(&shell, &["--script", "builtin:weighted", "--sizes", "10"]);
    failed(&told, 1, &["debug build", ADVICE]);
    failed(&bench(&shell, &["--rate", "8"]), 2, &["add --nats URL"]);
}

#[test]
fn input_that_cannot_be_used_is_told_as_place_tells_it() {
    let shell = Shell::new();
    shell.write("nodes.json", "7");
    shell.write("w.toml", "[chain.\"user/login\"]\nsteps = [\"builtin:weighted\"]\n");
    shell.write("slow.sh", "#!/bin/sh\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(shell.folder().join("slow.sh"), executable).unwrap();
    let weighted = ["--script", "builtin:weighted", "--sizes", "10"];
    for (arguments, words) in [
        (vec!["--script", "none.js"], vec!["`none.js`", "no such file"]),
        (vec!["--script", "builtin:magic"], vec!["`magic`", "fewest-sessions"]),
        (vec!["--config", "none.toml"], vec!["none.toml"]),
        (vec!["--config", "w.toml"], vec!["`session/start`", "user/login"]),
        (vec!["--script", "builtin:weighted", "--nodes", "none.json"], vec!["none.json"]),
        (vec!["--script", "builtin:weighted", "--nodes", "nodes.json"], vec!["nodes.json", "expected"]),
        (vec!["--script", "slow.sh"], vec!["`slow.sh` is an executable", "--nats URL"]),
        (vec!["--script", "builtin:weighted", "--peer", "node"], vec!["one step in JavaScript"]),
        ([weighted.as_slice(), &["--request", "[]"]].concat(), vec!["expected an object"]),
        ([weighted.as_slice(), &["--request", "{\"user\": 7}"]].concat(), vec!["`user`"]),
        ([weighted.as_slice(), &["--plot", "none/p.svg"]].concat(), vec!["none/p.svg", "folder"]),
    ] {
        failed(&bench(&shell, &arguments), 2, &words);
    }
}

/// Found out on the smallest cluster and in a process of its own, before anything is measured.
#[test]
fn a_script_that_does_not_work_is_told_as_place_tells_it() {
    let shell = Shell::new();
    for (script, code, words) in [
        ("function(input) { return }}", 4, "step.js:1"),
        ("function(input) { throw new Error('not today') }", 4, "not today"),
        ("function(input) { return true }", 4, "bad-verdict"),
        ("function(input) { for (;;); }", 5, "script-limit"),
    ] {
        shell.write("step.js", script);
        failed(&bench(&shell, &["--script", "step.js", "--sizes", "100000,10"]), code, &[words]);
    }
}

#[test]
fn a_peer_that_is_not_there_is_named() {
    let shell = Shell::new().with("PATH", "");
    shell.write("step.js", "function(input) { return input.nodes[0].id }");
    failed(&bench(&shell, &["--script", "step.js", "--peer", "node"]), 1, &["no `node` in PATH"]);
}

/// The part that measures, in its own process: what it counts, and never how fast.
#[test]
fn a_row_is_counted() {
    let shell = Shell::new();
    // What hangs on more than a key is asked for each request, of the best node first.
    shell.write("pick.js", "function filter(node, request) { return !node.staticData.gpu && request.sequence >= 0 }");
    let chain = ["--script", "pick.js", "--script", "builtin:fewest-sessions", "--seconds", "0.01"];
    for (more, calls) in [(vec!["--heat", "0:10"], 1.0..=10.0), (vec!["--heat", "0:30", "--changes", "1"], 1.0..=30.0)]
    {
        let told = bench(&shell, &[chain.as_slice(), &more].concat());
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        let row: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        let count = |field: &str| row[field].as_u64().unwrap();
        assert_eq!(row["label"], "pick.js + builtin:fewest-sessions");
        assert_eq!(
            (&row["failures"], &row["first"]["error"]),
            (&serde_json::json!({}), &serde_json::Value::Null),
            "{row}"
        );
        assert!(count("decisions") > 0 && count("p50_ns") > 0 && count("memory_bytes") > 0, "{row}");
        assert!(calls.contains(&(count("calls") as f64 / count("decisions") as f64)), "{row}");
    }
    failed(&bench(&shell, &["--heat", "9:10"]), 2, &["no chain number 9"]);
}

#[test]
fn a_debug_build_tells_no_figures() {
    let shell = Shell::new();
    shell.write("w.toml", "[chain.\"user/login\"]\nsteps = [\"builtin:weighted\"]\n");
    for arguments in [
        vec!["--sizes", "10"],
        vec!["--config", "w.toml", "--action", "user/login", "--sizes", "10", "--json"],
        vec!["--nats", "nats://127.0.0.1:1", "--in-flight", "65536", "--rate", "1000"],
    ] {
        failed(&bench(&shell, &arguments), 1, &["debug build", ADVICE]);
    }
}
