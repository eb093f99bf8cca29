//! What is packaged: completions and manual pages, systemd's units, Debian's packages, alert rules and the dashboard.
//!
//! `make dist-test` installs the packages into a clean Debian root. Here is what holds without building any of them: every
//! named file is there, the shells and `man` can read what the command line writes, and each metric in a query exists.
//! A tool that this machine lacks is passed over, and the test says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use whither::front::metrics::Metrics;

use super::support::shell::{Shell, WHITHER};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a tool of the machine; absent where it is not installed.
fn tool(name: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(name).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("left out: this machine has no {name}");
            None
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn shells_can_read_the_completions_and_know_every_command() {
    let shell = Shell::new();
    for program in ["whither", "whither-agent"] {
        for (name, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "-n")] {
            let completions = shell.whither(["completions", name, "--program", program]);
            assert_eq!(completions.code, Some(0), "{}", completions.stderr);
            let path = shell.write(&format!("{program}.{name}"), &completions.stdout);
            if let Some(output) = tool(name, &[check, path.to_str().unwrap()]) {
                assert!(output.status.success(), "{program}, {name}: {}", text(&output));
            }
        }
    }
    let path = shell.folder().join("whither.bash");
    // As bash asks: the words of the line so far, and which of them is to be completed.
    let ask = |words: &str, at: usize| {
        let script = format!(
            ". {}; COMP_WORDS=({words}); COMP_CWORD={at}; _whither whither \"${{COMP_WORDS[{at}]}}\" \
             \"${{COMP_WORDS[{}]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            path.display(),
            at - 1
        );
        tool("bash", &["-c", &script]).map(|output| text(&output)).unwrap_or_default()
    };
    let commands = ask("whither se", 1);
    assert_eq!(commands.trim(), "serve");
    let options = ask("whither nodes show --n", 3);
    assert!(options.lines().any(|option| option == "--nats"), "{options}");
    assert!(ask("whither serve --log-format \"\"", 3).lines().eq(["text", "json"]));
}

#[test]
fn man_can_read_every_page() {
    let shell = Shell::new();
    let written = shell.whither(["man", "--out", "man1"]);
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    let pages: Vec<_> =
        std::fs::read_dir(shell.folder().join("man1")).unwrap().map(|page| page.unwrap().path()).collect();
    assert!(pages.len() > 25, "{pages:?}");
    for page in &pages {
        let page = page.to_str().unwrap();
        if let Some(output) = tool("mandoc", &["-T", "lint", "-W", "warning", page]) {
            let said = text(&output);
            // clap_mangen's line breaks before paragraphs.
            let said: Vec<_> = said.lines().filter(|line| !line.contains("skipping paragraph macro")).collect();
            assert!(said.is_empty(), "{said:#?}");
        }
        if let Some(output) = tool("man", &["--warnings", "-l", "-Tutf8", page]) {
            assert!(output.status.success() && output.stderr.is_empty(), "{page}: {}", text(&output));
        }
    }
    // What a page names is there, `whither-agent` once, and every command has one.
    let names: BTreeSet<_> = pages.iter().map(|page| page.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let mut whole = whither::cli::whither::command();
    whole.build();
    let commands = whole.get_subcommands().filter(|command| command.get_name() != "help");
    for name in commands.map(|command| format!("whither-{}", command.get_name())) {
        assert!(names.contains(&name), "{name}");
    }
    let one = shell.whither(["man", "nodes", "show"]);
    assert_eq!(one.stdout.trim_end(), shell.read("man1/whither-nodes-show.1").trim_end());
    assert_eq!(shell.whither(["man", "no", "such"]).code, Some(2));
}

#[test]
fn systemd_can_use_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for unit in ["whither.service", "whither-agent.service"] {
        let text_of_unit = read(&format!("packaging/systemd/{unit}"));
        for setting in ["Type=notify", "KillMode=", "WatchdogSec=", "NoNewPrivileges=yes", "ProtectSystem=strict"] {
            assert!(text_of_unit.lines().any(|line| line.starts_with(setting)), "{unit}: {setting}");
        }
        // The programs are not installed here.
        let here = text_of_unit
            .replace("/usr/bin/whither-agent", WHITHER)
            .replace("/usr/bin/whither ", &format!("{WHITHER} "));
        let path = folder.path().join(unit);
        std::fs::write(&path, here).unwrap();
        if let Some(output) = tool("systemd-analyze", &["verify", "--man=no", path.to_str().unwrap()]) {
            assert!(output.status.success() && output.stderr.is_empty(), "{unit}: {}", text(&output));
        }
        if let Some(output) =
            tool("systemd-analyze", &["security", "--offline=true", "--threshold=25", path.to_str().unwrap()])
        {
            assert!(output.status.success(), "{unit} is exposed more than 2.5: {}", text(&output));
        }
    }
    // Sessions that an agent started are no business of its stop.
    assert!(read("packaging/systemd/whither-agent.service").contains("\nKillMode=process\n"));
    let unit = read("packaging/systemd/whither-agent.service").replace("/usr/bin/whither-agent", WHITHER);
    let path = folder.path().join("whither-agent.service");
    std::fs::write(&path, format!("{unit}{}", read("packaging/systemd/agent-starts.conf"))).unwrap();
    if let Some(output) = tool("systemd-analyze", &["verify", "--man=no", path.to_str().unwrap()]) {
        assert!(output.status.success() && output.stderr.is_empty(), "agent-starts.conf: {}", text(&output));
    }
}

#[test]
fn the_packaged_config_is_what_new_config_writes_with_the_http_port_open() {
    let shell = Shell::new();
    let made = shell.whither(["new", "config", "--out", "whither.toml"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let expected = shell.read("whither.toml").replace("# [http]\n# listen", "[http]\nlisten");
    if std::env::var_os("WHITHER_BLESS").is_some() {
        std::fs::write(root().join("packaging/config/whither.toml"), &expected).unwrap();
    }
    assert_eq!(read("packaging/config/whither.toml"), expected, "WHITHER_BLESS=1 writes it anew");
    shell.write("packaged/whither.toml", &expected);
    let checked = shell.whither(["serve", "--check", "--config", "packaged/whither.toml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let found = shell.whither(["check", "packaged/whither.toml"]);
    assert_eq!(found.code, Some(0), "{}{}", found.stdout, found.stderr);
}

#[test]
fn every_file_of_the_packages_is_there() {
    let manifest: toml::Value = toml::from_str(&read("Cargo.toml")).unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let agent = &deb["variants"]["agent"];
    let paths = |table: &toml::Value| -> Vec<(String, String)> {
        let assets = table["assets"].as_array().unwrap();
        assets
            .iter()
            .map(|asset| (asset[0].as_str().unwrap().to_owned(), asset[1].as_str().unwrap().to_owned()))
            .collect()
    };
    let own = [paths(deb), paths(agent)].concat();
    for (from, _) in own.iter().filter(|(from, _)| !from.starts_with("target/")) {
        assert!(!matches(from).is_empty(), "{from}");
    }
    for table in [deb, agent] {
        let scripts = root().join(table["maintainer-scripts"].as_str().unwrap());
        for script in ["postinst", "prerm", "postrm"] {
            let path = scripts.join(script);
            let output = tool("sh", &["-n", path.to_str().unwrap()]).unwrap();
            assert!(output.status.success(), "{}", text(&output));
        }
        for config in table["conf-files"].as_array().unwrap() {
            let config = config.as_str().unwrap();
            let is_asset = |(from, to): &(String, String)| {
                to.ends_with('/') && config == format!("/{to}{}", from.rsplit('/').next().unwrap())
            };
            assert!(paths(table).iter().any(is_asset), "{config} is no file of the package");
        }
    }
    // No file belongs to both: dpkg would refuse the second package.
    let dests = |table| {
        paths(table).into_iter().map(|(from, to)| match to.ends_with('/') {
            true => format!("{to}{}", from.rsplit('/').next().unwrap()),
            false => to,
        })
    };
    let of_service: BTreeSet<_> = dests(deb).collect();
    assert!(dests(agent).all(|path| path.ends_with("*.1") || !of_service.contains(&path)));
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("packaging/debian/changelog").starts_with(&format!("whither ({version}-1)")), "another version");
}

/// The files that a path of the metadata means; `*` stands for any part of a name, `**` for any folders.
fn matches(pattern: &str) -> Vec<PathBuf> {
    let Some((folder, _)) = pattern.split_once('*') else {
        return Some(root().join(pattern)).filter(|path| path.is_file()).into_iter().collect();
    };
    let folder = root().join(folder.rsplit_once('/').map_or("", |(folder, _)| folder));
    let end = pattern.rsplit('*').next().unwrap();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

#[test]
fn each_metric_that_a_rule_or_the_dashboard_asks_for_exists() {
    let metrics = Metrics::new();
    drop(metrics.decisions("chain", "placed"));
    metrics.limit("script", "cpu");
    metrics.suspicion("script", "cpu");
    metrics.quarantined("script", false);
    metrics.program_ended("script");
    metrics.bailed_out("script", "logs", 1);
    metrics.differed("script", "answer");
    let text = metrics.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let known: BTreeSet<_> = samples.map(|line| line.split(['{', ' ']).next().unwrap()).collect();
    for file in ["packaging/grafana/whither.json", "packaging/prometheus/whither.rules.yml"] {
        let asked = read(file);
        let mut names: BTreeSet<_> = words(&asked).filter(|word| word.starts_with("whither_")).collect();
        assert!(names.len() > 10, "{file}: {names:?}");
        names.retain(|name| !known.contains(name));
        assert!(names.is_empty(), "{file} asks for {names:?}, which /metrics does not have");
    }
    for name in known.iter().filter(|name| !name.ends_with("_bucket") && !name.ends_with("_sum")) {
        let name = name.trim_end_matches("_count");
        assert!(read("docs/src/reference/metrics.md").contains(&format!("`{name}`")), "{name} is not documented");
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
}

#[test]
fn promtool_finds_the_rules_right_and_each_alert_fires() {
    let folder = root().join("packaging/prometheus");
    let rules = read("packaging/prometheus/whither.rules.yml");
    let tests = read("packaging/prometheus/whither.rules.test.yml");
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("- name: {alert}\n")), "{alert} has no test");
    }
    let promtool = |arguments: &[&str]| {
        let output = Command::new("promtool").args(arguments).current_dir(&folder).output();
        match output {
            Ok(output) => assert!(output.status.success(), "promtool {arguments:?}: {}", text(&output)),
            Err(_) => eprintln!("left out: this machine has no promtool"),
        }
    };
    promtool(&["check", "rules", "whither.rules.yml"]);
    promtool(&["test", "rules", "whither.rules.test.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
}
