//! `place` by a config, and as the link that FastX calls.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::{FEWEST, NODES, chose, failed, place, scripted, seemly, site};
use crate::support::shell::{Shell, Told, WHITHER};

/// `place` by a config that holds `text`.
fn configured(text: &str, arguments: &[&str]) -> Told {
    let shell = site();
    shell.write("site.toml", text);
    shell.write("throws.js", "i => { throw new Error('in use') }");
    shell.write("cordoned.js", "i => 'd'");
    shell.write("sees.js", "i => i.params.jwt === 'secret' ? 'a' : i.params.jwt === null ? 'c' : 'nowhere'");
    shell.write("hours.js", "i => i.time.hour === 3 ? 'a' : 'c'");
    place(&shell, &[&["--config", "site.toml"], arguments].concat())
}

#[test]
fn five_mistakes_are_told_at_once_with_their_lines() {
    let shell = site();
    shell.write("five-mistakes.toml", include_str!("../../data/five-mistakes.toml"));
    let told = place(&shell, &["--config", "five-mistakes.toml"]);
    failed(&told, 2, &[]);
    let lines: Vec<_> = told.stderr.lines().collect();
    assert_eq!(lines.len(), 5, "{}", told.stderr);
    for (line, (place, words)) in lines.iter().zip([
        ("4:7", "`nats.url`"),
        ("8:1", "did you mean `liveness_s`"),
        ("11:13", "`limits.script_ms`"),
        ("14:10", "`fewest-session`"),
        ("16:1", "`steps`"),
    ]) {
        assert!(line.starts_with(&format!("five-mistakes.toml:{place}: ")) && line.contains(words), "{line}");
    }
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let shell = site();
    shell.write("folder/file", "");
    shell.write("latin.toml", b"# caf\xe9\n");
    shell.write("empty.toml", "");
    shell.write("broken.toml", "[chain\n");
    shell.write("step.toml", "[chain.\"session/start\"]\nsteps = [\"none.js\", \"folder\"]\n");
    for (name, words) in [
        ("none.toml", vec!["`none.toml`", "no such file", "whither new config"]),
        ("folder", vec!["`folder`", "directory"]),
        ("latin.toml", vec!["`latin.toml`", "not UTF-8 on line 1"]),
        ("empty.toml", vec!["no chain", "session/start"]),
        ("broken.toml", vec!["broken.toml:1:"]),
        ("step.toml", vec!["step.toml:2:10: ", "`none.js`", "step.toml:2:21: ", "`folder`"]),
    ] {
        failed(&place(&shell, &["--config", name]), 2, &words);
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused_with_the_command_that_helps() {
    use std::os::unix::fs::PermissionsExt;
    let shell = site();
    let text = "[nats]\nurl = \"nats://127.0.0.1:4222\"\ntoken = \"hunter2\"\n\
                [chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";
    let path = shell.write("site.toml", text);
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let told = place(&shell, &["--config", "site.toml"]);
    failed(&told, 2, &["site.toml:3:", "chmod 600 site.toml"]);
    assert!(!told.stderr.contains("hunter2"), "{}", told.stderr);
    mode(0o600);
    chose(&place(&shell, &["--config", "site.toml"]), "b");
}

#[test]
fn an_action_needs_a_chain() {
    let chains =
        "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n[chain.spare]\nsteps = [\"sees.js\"]\n";
    failed(&configured(chains, &["--action", "user/login"]), 2, &["`user/login`", "session/start", "spare"]);
    failed(&configured(chains, &["--request", r#"{"action": "no"}"#]), 2, &["`no`", "session/start"]);
    chose(&configured(chains, &[]), "b");
    chose(&configured(chains, &["--action", "spare"]), "c");
}

#[test]
fn a_script_of_a_config_that_does_not_compile_ends_with_4() {
    let shell = site();
    shell.write(
        "etc/site.toml",
        "[chain.x]\nsteps = [\"broken.js\"]\n[chain.\"session/start\"]\nsteps = [\"good.js\"]\n",
    );
    shell.write("etc/broken.js", "i => [;");
    shell.write("etc/good.js", "i => 'b'");
    failed(&place(&shell, &["--config", "etc/site.toml"]), 4, &["broken.js:1:7", "syntax error"]);
    shell.write("etc/broken.js", "i => 'c'");
    chose(&place(&shell, &["--config", "etc/site.toml"]), "b");
}

#[test]
fn what_a_chain_sets_counts() {
    let chain = |lines: &str| format!("[chain.\"session/start\"]\n{lines}\n");
    for (lines, outcome) in [
        ("steps = [\"cordoned.js\", \"builtin:fewest-sessions\"]", Err("unplaceable-node")),
        ("steps = [\"cordoned.js\", \"builtin:fewest-sessions\"]\non_unplaceable = \"error\"", Err("unplaceable-node")),
        ("steps = [\"cordoned.js\", \"builtin:fewest-sessions\"]\non_unplaceable = \"skip\"", Ok("b")),
        ("steps = [\"cordoned.js\", \"builtin:fewest-sessions\"]\non_unplaceable = \"allow\"", Ok("d")),
        ("steps = [\"cordoned.js\"]\nreserve = false", Ok("d")),
        ("steps = [\"builtin:fewest-sessions\"]\nrequire_services = [\"launcher\"]", Ok("c")),
        ("steps = [\"throws.js\", \"builtin:fewest-sessions\"]", Err("in use")),
        ("steps = [{ script = \"throws.js\", on_error = \"skip\" }, \"builtin:fewest-sessions\"]", Ok("b")),
        (
            "steps = [{ script = \"throws.js\", on_error = \"fallback:sticky-user\" }, \"builtin:fewest-sessions\"]",
            Ok("c"),
        ),
        ("steps = [\"sees.js\"]", Ok("c")),
        ("steps = [\"sees.js\"]\npass_jwt = true", Ok("a")),
        ("steps = [{ builtin = \"sticky-user\" }]", Ok("c")),
    ] {
        let request = r#"{"user": {"login": "ann"}, "params": {"jwt": "secret"}}"#;
        let told = configured(&chain(lines), &["--request", request]);
        match outcome {
            Ok(node) => chose(&told, node),
            Err(words) => failed(&told, 4, &[words]),
        }
    }
}

#[test]
fn the_time_zone_is_the_configs_unless_the_command_line_has_one() {
    let text = "[service]\ntimezone = \"Asia/Tokyo\"\n[chain.\"session/start\"]\nsteps = [\"hours.js\"]\n";
    chose(&configured(text, &["--now", "2026-11-20T18:00:00Z"]), "a");
    chose(&configured(text, &["--now", "2026-11-20T18:00:00Z", "--timezone", "UTC"]), "c");
    chose(&configured(text, &["--now", "2026-11-20T03:00:00Z", "--timezone", "UTC"]), "a");
}

#[test]
fn limits_are_the_configs() {
    let text =
        "[limits]\nscript_ms = 1\nscript_us_per_candidate = 0\n[chain.\"session/start\"]\nsteps = [\"hang.js\"]\n";
    let shell = site();
    shell.write("hang.js", "i => { while (true) ; }");
    shell.write("site.toml", text);
    failed(&place(&shell, &["--config", "site.toml"]), 5, &["hang.js used more than 1 ms"]);
    shell.write("site.toml", text.replace("\"hang.js\"", "{ script = \"hang.js\", cpu_ms = 20 }"));
    failed(&place(&shell, &["--config", "site.toml"]), 5, &["hang.js used more than 20 ms"]);
}

/// A folder with a default config, and the binary under the name that FastX calls.
fn link() -> Shell {
    let shell = Shell::new();
    shell.write(
        "whither.toml",
        "[chain.\"session/start\"]\nsteps = [\"scripts/step.js\", \"builtin:fewest-sessions\"]\n",
    );
    shell.write("scripts/step.js", "i => { if (i.user.login === 'ann') return 'c' }");
    symlink(WHITHER, shell.folder().join("whither-place")).unwrap();
    shell
}

fn call(shell: &Shell, arguments: &[&str], input: &str) -> Told {
    seemly(shell.run(&shell.folder().join("whither-place"), arguments, input))
}

#[test]
fn a_link_called_whither_place_is_a_load_balancer_script() {
    let shell = link();
    let document = |me: &str| format!(r#"{{"nodes": {NODES}, "params": {{"me": {me}, "start": {{}}}}}}"#);
    chose(&call(&shell, &[], &document(r#"{"username": "ann"}"#)), "c");
    chose(&call(&shell, &[], &document(r#"{"username": "bob"}"#)), "b");
    chose(&call(&shell, &[], &document("{}")), "b");
    chose(&call(&shell, &["--explain"], &document("{}")), "b");
    failed(&call(&shell, &[], r#"{"nodes": [], "params": {}}"#), 3, &["no nodes"]);
    failed(&call(&shell, &[], "not json"), 2, &["standard input"]);
    shell.write("whither.toml", "[chain.\"session/start\"]\nstep = []\n");
    failed(&call(&shell, &[], &document("{}")), 2, &["whither.toml:2:1", "`step`"]);
}

#[test]
fn a_plain_place_finds_the_default_config_too() {
    let shell = link();
    shell.write("nodes.json", NODES);
    chose(&place(&shell, &["--user", "ann"]), "c");
    chose(&place(&shell, &["--script", "builtin:most-memory"]), "a");
}

/// The variables are the ones that name *us* to FastX: a chain from them would call itself.
#[test]
fn the_chain_never_comes_from_the_load_balancer_variables() {
    let shell = link().with("LOAD_BALANCER", "custom").with("LOAD_BALANCER_SCRIPT", "/nowhere/whither-place");
    chose(&call(&shell, &[], NODES), "b");
    std::fs::remove_file(shell.folder().join("whither.toml")).unwrap();
    if !Path::new("/etc/whither/whither.toml").exists() {
        failed(&call(&shell, &[], NODES), 2, &["no chain is given", "--script", "--config"]);
    }
}

/// Nor where FastX runs the link for its load balancer, with itself in the environment and FastX's document to read.
#[test]
fn a_link_that_is_the_load_balancer_script_decides_by_its_config() {
    let shell = link();
    let own = shell.folder().join("whither-place").to_string_lossy().into_owned();
    let shell = shell.with("LOAD_BALANCER", "custom").with("LOAD_BALANCER_SCRIPT", &own);
    let asked =
        format!(r#"{{"nodes": {NODES}, "params": {{"me": {{"login": "zoe"}}, "start": {{}}, "jwt": "x.y.z"}}}}"#);
    chose(&call(&shell, &[], &asked), "b");
    shell.write("whither.toml", "[chain.\"session/start\"]\nsteps = [\"builtin:most-memory\"]\n");
    chose(&call(&shell, &[], &asked), "a");
}

#[test]
fn a_config_is_named_where_the_problem_has_no_line() {
    let shell = site();
    shell.write("empty.toml", "");
    failed(&place(&shell, &["--config", "empty.toml"]), 2, &["empty.toml", "no chain"]);
}

/// What a config may say, works: the least and the most of each limit. A step under a limit of time is a built-in, which
/// no machine is too slow for.
#[test]
fn limits_work_over_their_whole_range() {
    use whither::config::figure::FIGURES;
    let limits: Vec<_> = FIGURES.iter().filter(|figure| figure.section == "limits").collect();
    assert!(limits.len() > 5);
    for figure in limits {
        let is_time = figure.key.ends_with("_ms") || figure.key.contains("_us_");
        let step = if is_time { FEWEST } else { "step.js" };
        for value in [figure.least, figure.most] {
            let shell = scripted("i => 'b'");
            let text = format!("[limits]\n{} = {value}\n[chain.\"session/start\"]\nsteps = [\"{step}\"]\n", figure.key);
            shell.write("site.toml", &text);
            let told = place(&shell, &["--config", "site.toml"]);
            assert_eq!(told.stdout, "b\n", "{} = {value}: {}", figure.key, told.stderr);
        }
    }
}

#[test]
fn a_request_may_be_as_large_as_the_config_says() {
    let shell = site();
    shell.write("request.json", format!("{{\"data\": {{\"x\": \"{}\"}}}}", "y".repeat(2 << 20)));
    let text = "[limits]\nrequest_kb = 4096\n[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";
    shell.write("site.toml", text);
    chose(&place(&shell, &["--config", "site.toml", "--request", "request.json"]), "b");
}

/// FastX hands its own environment on; a load balancer script decides by itself all the same.
#[test]
fn a_link_called_whither_place_asks_no_service() {
    let shell = link().with("WHITHER_NATS", "nats://127.0.0.1:1");
    chose(&call(&shell, &[], NODES), "b");
}
