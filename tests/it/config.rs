//! Configs as administrators write them: what loads, and what every mistake is answered with.

use std::path::Path;

use whither::chain::{Mode, OnFailure, OnUnplaceable, ProgramSpec, StepSource};
use whither::config::figure::{FIGURES, Figure};
use whither::config::{
    Capacity, Config, ConfigErrors, ConfigNeeds, FileError, Keeping, Loading, Login, MemoryFiles, Storage, load,
};
use whither::model::UserNames;

/// The least chain, for configs that are about something else.
const CHAIN: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// What a section about tokens needs.
const KEYS: &str = "keys = \"jwks.json\"\nalgorithms = \"RS256\"\n";

fn load_from(files: &MemoryFiles, needs: ConfigNeeds) -> Result<Config, ConfigErrors> {
    load(Path::new("etc/whither.toml"), Loading { files, host_zone: "UTC", needs })
}

fn read(text: &str) -> Result<Config, ConfigErrors> {
    let files = MemoryFiles::default().with("etc/jwks.json", include_str!("../tokens/jwks.json"));
    load_from(&files.with_mode("etc/whither.toml", text, 0o600), ConfigNeeds::Chains)
}

/// The problems of `text`, one a line, without the file's name.
fn problems(text: &str) -> Vec<String> {
    read(text).err().map(plain).unwrap_or_default()
}

fn plain(errors: ConfigErrors) -> Vec<String> {
    errors.to_string().lines().map(|line| line.trim_start_matches("etc/whither.toml:").to_owned()).collect()
}

/// Checks that `text` has as many problems as `expected` has entries, each of which names what its problem must say.
#[track_caller]
fn check(text: &str, expected: &[&[&str]]) {
    let found = problems(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        for words in *expected {
            assert!(found.contains(words), "`{words}` is not in: {found}");
        }
    }
}

#[test]
fn five_mistakes_are_five_problems_with_their_lines() {
    let text = include_str!("../data/five-mistakes.toml");
    let files = MemoryFiles::default().with("etc/whither.toml", text);
    assert_eq!(
        plain(load_from(&files, ConfigNeeds::Both).unwrap_err()),
        [
            "4:7: `nats.url` is the number 4222, expected an address such as `nats://127.0.0.1:4222`, or a list of them",
            "8:1: unknown key `livness_s` in `service` (did you mean `liveness_s`?)",
            "11:13: `limits.script_ms` is the number -250, expected a whole number from 1 to 60000",
            "14:10: unknown built-in `fewest-session`, there are: fewest-sessions, most-memory, round-robin, least-load, \
             weighted, sticky-user (did you mean `builtin:fewest-sessions`?)",
            "16:1: the chain `chain.\"user/login\"` has no `steps` (expected a list such as \
             `[\"scripts/gpu.js\", \"builtin:fewest-sessions\"]`)",
        ]
    );
}

#[test]
fn the_least_config_has_every_default() {
    let config = read(&format!("[nats]\nurl = \"nats://127.0.0.1:4222\"\n{CHAIN}")).unwrap();
    assert_eq!(config.nats.urls[0].to_string(), "nats://127.0.0.1:4222");
    assert_eq!((config.nats.namespace.as_str(), &config.nats.login), ("whither", &Login::None));
    assert_eq!((config.service.liveness_s, config.service.reservation_s, config.http), (90, 120, None));
    assert_eq!(config.chains.zone, "UTC");
    assert_eq!(config.chains.limits, whither::script::ScriptLimits::default());
    let chain = config.chains.get("session/start").unwrap();
    assert!(chain.reserve && !chain.pass_jwt && chain.require_services.is_empty());
    assert_eq!(chain.steps[0].source, StepSource::Builtin("fewest-sessions".to_owned()));
    assert_eq!(&*chain.steps[0].name, "builtin:fewest-sessions");
}

#[test]
fn everything_can_be_set() {
    let files = MemoryFiles::default()
        .with("etc/keys/ca.pem", "ca")
        .with("etc/keys/client.pem", "cert")
        .with_mode("/keys/client.key", "key", 0o600)
        .with_mode("etc/whither.creds", "creds", 0o600)
        .with("etc/scripts/gpu.js", "(input) => undefined")
        .with(
            "etc/whither.toml",
            r#"
            http.listen = "[::1]:8222"
            [nats]
            url = ["nats://a:4222", "tls://b"]
            namespace = "site-1"
            credentials = "whither.creds"
            tls_ca = "keys/ca.pem"
            tls_cert = "keys/client.pem"
            tls_key = "/keys/client.key"
            tls_required = true
            storage = "memory"
            replicas = 3
            [service]
            timezone = "Europe/Berlin"
            [chain."user/login"]
            steps = [{ builtin = "weighted" }]
            reserve = true
            on_unplaceable = "allow"
            require_services = ["webserver", "launcher"]
            pass_jwt = true
            [chain."session/start"]
            steps = [
                { script = "scripts/gpu.js", on_error = "skip", cpu_ms = 40 },
                { script = "scripts/gpu.js", on_error = "fallback:least-load", on_limit = "skip" },
                { builtin = "builtin:weighted", on_error = "stop" },
            ]
            reserve = false
            workers = 3
            "#,
        );
    let config = load_from(&files, ConfigNeeds::Both).unwrap();
    assert_eq!(config.http.unwrap().to_string(), "[::1]:8222");
    assert_eq!(config.nats.login, Login::Credentials("etc/whither.creds".into()));
    assert_eq!(config.nats.tls.client.as_ref().unwrap().key, Path::new("/keys/client.key"));
    assert!(config.nats.tls.required);
    assert_eq!(config.nats.keeping, Keeping { storage: Storage::Memory, replicas: 3 });
    assert_eq!((config.nats.urls.len(), config.nats.namespace.as_str()), (2, "site-1"));
    assert_eq!(config.chains.zone, "Europe/Berlin");

    let actions: Vec<_> = config.chains.chains.iter().map(|chain| &*chain.action).collect();
    assert_eq!(actions, ["user/login", "session/start"], "the order of the file");
    let login = config.chains.get("user/login").unwrap();
    assert!(login.reserve && login.pass_jwt && login.on_unplaceable == OnUnplaceable::Allow);
    assert_eq!(login.require_services, ["webserver", "launcher"]);
    let start = config.chains.get("session/start").unwrap();
    assert!(!start.reserve);
    assert_eq!((start.workers, login.workers), (Some(3), None));
    let [first, second, third] = start.steps.as_slice() else { panic!("{start:?}") };
    assert_eq!((&*first.name, &first.on_error, first.cpu_ms), ("scripts/gpu.js", &OnFailure::Skip, Some(40)));
    assert_eq!(second.on_error, OnFailure::Fallback("least-load".to_owned()));
    assert_eq!((&first.on_limit, &second.on_limit), (&OnFailure::Stop, &OnFailure::Skip));
    assert_eq!((&*third.name, &third.on_error), ("builtin:weighted", &OnFailure::Stop));
    assert_eq!(first.source, StepSource::script("js", "(input) => undefined"));
}

/// The figures but for those of `[tracing]`, which not every binary accepts; `config/traces.rs` has tests of those.
fn figures() -> impl Iterator<Item = &'static Figure> {
    FIGURES.into_iter().filter(|figure| figure.section != "tracing")
}

#[test]
fn every_figure_keeps_its_range() {
    for figure in figures() {
        let needed = if figure.section == "tokens" { KEYS } else { "" };
        let with = |value: String| format!("{CHAIN}[{}]\n{} = {value}\n{needed}", figure.section, figure.key);
        let key = format!("`{}.{}`", figure.section, figure.key);
        let range = format!("expected a whole number from {} to {}", figure.least, figure.most);
        for good in [figure.least, figure.default, figure.most] {
            read(&with(good.to_string())).unwrap();
        }
        let above = (i64::from(figure.most) + 1).to_string();
        let below = (i64::from(figure.least) - 1).to_string();
        for bad in [above, below, "1.5".into(), "\"5\"".into(), "true".into(), "[]".into(), "9".repeat(60)] {
            check(&with(bad), &[&["4:", &key, &range]]);
        }
    }
}

#[test]
fn every_figure_is_read_from_its_own_key() {
    let text = |pick: fn(u32, u32) -> u32| {
        let line =
            |figure: &Figure| format!("{}.{} = {}\n", figure.section, figure.key, pick(figure.least, figure.most));
        let keys: String = KEYS.lines().map(|line| format!("tokens.{line}\n")).collect();
        format!("{}{keys}{CHAIN}", figures().map(line).collect::<String>())
    };
    let config = read(&text(|_, most| most)).unwrap();
    let (service, limits) = (&config.service, &config.limits);
    let tokens = config.tokens.as_ref().unwrap().policy();
    let read = [
        service.liveness_s,
        service.max_missed,
        service.reservation_s,
        service.reservation_max_s,
        service.max_pending,
        service.cooldown_s,
        service.cooldown_users,
        service.retries,
        service.recorded_decisions,
        service.workers,
        limits.script_ms,
        limits.script_us_per_candidate,
        limits.node_call_ms,
        limits.executable_ms,
        limits.executables,
        limits.executable_processes,
        limits.stdout_kb,
        limits.stderr_kb,
        limits.wall_factor,
        limits.worker_memory_mb,
        limits.source_kb,
        limits.component_kb,
        limits.request_kb,
        limits.queue,
        limits.waiting,
        limits.waiting_per_user,
        limits.reservations_per_user,
        limits.log_lines,
        limits.verify_every,
        limits.quarantine_kills,
        limits.quarantine_window_s,
        limits.quarantine_pause_s,
        limits.recycle_requests,
        limits.recycle_mb,
        tokens.leeway_s,
        tokens.max_bytes as u32 / 1024,
        tokens.remembered as u32,
    ];
    assert_eq!(read.to_vec(), figures().map(|figure| figure.most).collect::<Vec<_>>());
    assert_eq!(config.chains.limits.source_bytes, limits.source_kb as usize * 1024);
    assert_eq!(config.chains.limits.component_bytes, limits.component_kb as usize * 1024);
    assert_eq!(config.chains.limits.log_lines, limits.log_lines as usize);
}

#[test]
fn words_are_read_and_wrong_ones_say_what_was_meant() {
    let text = format!("{CHAIN}[service]\nuser_names = \"short\"\ncapacity = \"strict\"\n");
    let config = read(&text).unwrap();
    assert_eq!((config.service.capacity, config.chains.names), (Capacity::Strict, UserNames::Short));
    let text = format!("{CHAIN}[service]\nuser_names = 3\ncapacity = \"strickt\"\n");
    let wrong = read(&text).unwrap_err().to_string();
    for said in ["the number 3, expected one of `as-is`, `ignore-case`, `short`", "did you mean `strict`?"] {
        assert!(wrong.contains(said), "{wrong}");
    }
}

#[test]
fn unknown_keys_are_refused_with_the_one_that_was_meant() {
    let text = format!(
        "{CHAIN}[limit]\n[service]\nscript_ms = 5\nbanana = 1\n[chain.x]\nstep = []\nsteps = [{{ scrip = 1 }}]\n"
    );
    check(
        &text,
        &[
            &["3:2: unknown section or key `limit`", "did you mean `limits`?"],
            &["5:1: unknown key `script_ms` in `service`", "belongs in `[limits]`"],
            &[
                "6:1: unknown key `banana`",
                "there are: timezone, environment, notify, new_nodes, user_names, capacity, cooldown, strict_requests",
            ],
            &["8:1: unknown key `step` in `chain.x`", "did you mean `steps`?"],
            &["9:10: a step needs `script` or `builtin`"],
            &["9:12: unknown key `scrip` in `chain.x.steps[0]`", "did you mean `script`?"],
        ],
    );
}

#[test]
fn a_section_of_the_wrong_kind_is_one_problem() {
    check(
        "nats = 1\nhttp = \"x\"\nservice = []\nlimits = true\nchain = 1979-05-27\n",
        &[
            &["1:8: `nats` is the number 1, expected a table"],
            &["2:8: `http` is the string `x`, expected a table"],
            &["3:11: `service` is an empty list"],
            &["4:10: `limits` is `true`"],
            &["5:9: `chain` is a date, expected a table for each action"],
        ],
    );
    check("[chain]\nsteps = [\"builtin:weighted\"]\n", &[&["`chain.steps` is a list", "[chain.\"session/start\"]"]]);
    check("[[chain.x]]\nsteps = []\n", &[&["`chain.x` is a list"]]);
}

#[test]
fn what_a_command_needs_must_be_there() {
    let files = |text: &str| MemoryFiles::default().with("etc/whither.toml", text);
    assert!(load_from(&files(CHAIN), ConfigNeeds::Chains).is_ok());
    assert_eq!(plain(load_from(&files(CHAIN), ConfigNeeds::Both).unwrap_err()).len(), 1);
    let bus = "[nats]\nurl = \"bus\"\n[chain.x]\nsteps = [\"gone.js\"]\n";
    assert!(load_from(&files(bus), ConfigNeeds::Nats).unwrap().chains.chains.is_empty());
    let nothing = load_from(&files(""), ConfigNeeds::Both).unwrap_err().to_string();
    assert!(nothing.contains("there is no `nats.url`") && nothing.contains("there is no chain"), "{nothing}");
    check("[chain]\n", &[&["`chain` is a table, expected a table for each action"]]);
}

#[test]
fn chains_and_steps_are_checked() {
    check(
        "[chain.a]\nsteps = []\n[chain.b]\nsteps = \"builtin:weighted\"\n[chain.\"\"]\nsteps = [\"builtin:weighted\", 5, \"\"]\n\
         [chain.c]\nsteps = [{ builtin = \"weighted\", script = \"x.js\" }, { builtin = \"wieghted\" }]\nreserve = \"yes\"\n\
         on_unplaceable = \"skipp\"\nrequire_services = [1]\npass_jwt = 0\n\
         [chain.d]\nsteps = [{ builtin = \"sticky-user\", cpu_ms = 0, on_error = \"ignore\" }, \
         { builtin = \"weighted\", on_error = \"fallback:x\" }, { script = 7 }]\n",
        &[
            &["2:9: `chain.a.steps` is an empty list"],
            &["4:9: `chain.b.steps` is the string `builtin:weighted`, expected a list"],
            &["5:8: `` is no action"],
            &["6:30: `chain.\"\".steps[1]` is the number 5"],
            &["6:33: `chain.\"\".steps[2]` is empty"],
            &["8:22: a step is a `script` or a `builtin`"],
            &["8:65: unknown built-in `wieghted`", "did you mean `builtin:weighted`?"],
            &["9:11: `chain.c.reserve` is the string `yes`, expected `true` or `false`"],
            &["10:18: `chain.c.on_unplaceable`", "did you mean `skip`?"],
            &["11:21: `chain.c.require_services[0]` is the number 1"],
            &["12:12: `chain.c.pass_jwt`"],
            &["14:", "`chain.d.steps[0].cpu_ms`", "from 1 to 60000"],
            &["14:", "`chain.d.steps[0].on_error`", "expected `stop`, `skip` or `fallback:NAME`"],
            &["14:", "unknown built-in `x`"],
            &["14:", "`chain.d.steps[2].script` is the number 7"],
        ],
    );
    let many = format!("[chain.a]\nsteps = [{}]\n", "\"builtin:weighted\",".repeat(101));
    check(&many, &[&["has 101 steps, at most 100"]]);
}

#[test]
fn every_fault_of_a_script_file_is_named_at_its_line() {
    let files = MemoryFiles::default()
        .with("etc/empty.js", " \n")
        .with("etc/binary.js", b"ok\nno \xff")
        .with("etc/large.js", "x".repeat(2000))
        .with("etc/tool.py", "print()")
        .with("etc/shebang.py", "#!/usr/bin/env python3")
        .with("etc/noext", "x")
        .with("etc/large.wasm", "x".repeat(2000))
        .with_fault("etc/dir.js", FileError::Directory)
        .with_fault("etc/locked.js", FileError::Unreadable("permission denied".to_owned()))
        .with(
            "etc/whither.toml",
            "limits = { source_kb = 1, component_kb = 1 }\n[chain.x]\nsteps = [\n\"gone.js\",\n\"empty.js\",\n\"binary.js\",\n\"large.js\",\n\"tool.py\",\n\
             \"shebang.py\",\n\"noext\",\n\"dir.js\",\n\"locked.js\",\n\"round-robin\",\n\"large.wasm\",\n]\n",
        );
    let found = plain(load_from(&files, ConfigNeeds::Chains).unwrap_err());
    let expected = [
        "4:1: script `gone.js`: no such file",
        "5:1: script `empty.js` is empty",
        "6:1: script `binary.js` is not UTF-8 on line 2",
        "7:1: script `large.js` has 2000 bytes, at most 1024 are accepted (`limits.source_kb` sets how many)",
        "8:1: script `tool.py` is in no known language: `.js` (JavaScript), `.rhai` (Rhai), `.wasm` (WebAssembly), `.toml` (home rules) \
         (add #!/usr/bin/env python3 and chmod +x)",
        "9:1: script `shebang.py` is not executable (run chmod +x shebang.py)",
        "10:1: script `noext` is in no known language: `.js` (JavaScript), `.rhai` (Rhai), `.wasm` (WebAssembly), `.toml` (home rules) (an executable \
         needs a first line such as #!/usr/bin/env python3, and chmod +x)",
        "11:1: script `dir.js`: is a directory, expected a file",
        "12:1: script `locked.js`: cannot be read: permission denied",
        "13:1: script `round-robin`: no such file (did you mean `builtin:round-robin`?)",
        "14:1: script `large.wasm`: has 2000 bytes, at most 1024 are accepted (`limits.component_kb` sets how many)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_step_that_no_request_comes_to_is_an_error() {
    let files = |steps: &str| {
        let config = format!("[chain.x]\nsteps = [{steps}]\n");
        MemoryFiles::default().with("etc/allow.js", "i => i.nodes").with("etc/whither.toml", config)
    };
    for choosing in ["fewest-sessions", "most-memory", "round-robin", "least-load", "weighted"] {
        let steps = format!("\"builtin:sticky-user\", \"builtin:{choosing}\", \"allow.js\"");
        let errors = load_from(&files(&steps), ConfigNeeds::Chains).unwrap_err().to_string();
        let expected = format!("`allow.js` is never asked: `builtin:{choosing}` before it always chooses a node");
        assert!(errors.contains(&expected) && errors.contains("whither.toml:2:"), "{errors}");
    }
    assert!(load_from(&files("\"builtin:sticky-user\", \"allow.js\""), ConfigNeeds::Chains).is_ok());
}

#[test]
fn a_program_is_a_file_with_its_folder_and_is_asked_as_the_step_says() {
    let files = |steps: &str| {
        MemoryFiles::default()
            .with_mode("etc/bin/run.js", "#!/usr/bin/env node\n", 0o755)
            .with_mode("etc/native", b"\x7fELF", 0o755)
            .with("etc/a.js", "i => 1")
            .with("etc/a.wasm", "\0asm")
            .with("etc/whither.toml", format!("[chain.x]\nsteps = [{steps}]\n"))
    };
    let steps = "\"native\", { script = \"bin/run.js\", mode = \"resident\", wall_ms = 7, parallel = 3 }";
    let chains = load_from(&files(steps), ConfigNeeds::Chains).unwrap().chains;
    let program = |place: usize| match &chains.get("x").unwrap().steps[place].source {
        StepSource::Executable(program) => program.clone(),
        other => panic!("{other:?}"),
    };
    let native = ProgramSpec {
        path: "/etc/native".to_owned(),
        folder: "/etc".to_owned(),
        mode: Mode::Once,
        wall_ms: None,
        parallel: 1,
    };
    assert_eq!(program(0), native);
    assert_eq!(
        program(1),
        ProgramSpec {
            path: "/etc/bin/run.js".to_owned(),
            mode: Mode::Resident,
            wall_ms: Some(7),
            parallel: 3,
            ..native
        }
    );
    for (step, expected) in [
        (
            "script = \"native\", mode = \"residnt\"",
            "`residnt`, expected `once` or `resident` (did you mean `resident`?)",
        ),
        (
            "script = \"native\", cpu_ms = 7",
            "`cpu_ms` says nothing here: the step is an executable, which has `wall_ms`",
        ),
        ("script = \"a.js\", wall_ms = 7", "`wall_ms` says nothing here: the step is no executable"),
        ("builtin = \"weighted\", mode = \"once\"", "`mode` says nothing here"),
        (
            "script = \"a.js\", isolation = \"fresh\"",
            "`isolation` says nothing here: the step is no WebAssembly component",
        ),
        ("script = \"a.wasm\", wall_ms = 7", "`wall_ms` says nothing here: the step is no executable"),
        ("script = \"a.wasm\", isolation = \"frsh\"", "expected `warm` or `fresh` (did you mean `fresh`?)"),
        ("script = \"native\", wall_ms = 0", "expected a whole number from 1"),
        ("script = \"native\", parallel = 0", "expected a whole number from 1 to 1024"),
        ("builtin = \"round-robin\", parallel = 2", "`parallel` says nothing here: the step is no executable"),
    ] {
        let found = plain(load_from(&files(&format!("{{ {step} }}")), ConfigNeeds::Chains).unwrap_err());
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
}

#[test]
fn relative_paths_start_at_the_configs_folder() {
    let config = "[chain.x]\nsteps = [\"a.js\", \"../lib/b.js\", \"/abs/c.js\"]\n";
    let source = "(input) => undefined";
    let files = MemoryFiles::default()
        .with("etc/whither.toml", config)
        .with("etc/a.js", source)
        .with("etc/../lib/b.js", source)
        .with("/abs/c.js", source);
    let loaded = load_from(&files, ConfigNeeds::Chains).unwrap();
    let names: Vec<_> = loaded.chains.chains[0].steps.iter().map(|step| &*step.name).collect();
    assert_eq!(names, ["a.js", "../lib/b.js", "/abs/c.js"]);
    let beside = MemoryFiles::default().with("w.toml", "[chain.x]\nsteps = [\"a.js\"]\n").with("a.js", source);
    load(Path::new("w.toml"), Loading { files: &beside, host_zone: "UTC", needs: ConfigNeeds::Chains }).unwrap();
}

/// `whither new` with `arguments` split at spaces, in which `@` stands for `folder`.
fn new(folder: &Path, arguments: &str) {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: whither::cli::new::NewArgs,
    }
    let arguments = arguments.split(' ').map(|argument| argument.replace('@', &folder.to_string_lossy()));
    let line: Line = clap::Parser::parse_from(std::iter::once("new".to_owned()).chain(arguments));
    assert!(whither::cli::new::run(line.args).is_ok());
}

#[test]
fn what_new_writes_places_a_session() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        "nodes --out @/nodes.json",
        "js @/list",
        "js @/node --shape node",
        "config --out @/plain.toml",
        "config --out @/scripted.toml --script @/list.js --script @/node.js",
    ] {
        new(folder.path(), arguments);
    }
    for chain in
        [["--script", "list.js"], ["--script", "node.js"], ["--config", "plain.toml"], ["--config", "scripted.toml"]]
    {
        let mut whither = assert_cmd::Command::cargo_bin("whither").unwrap();
        let line = ["place", "--nodes", "nodes.json", "--user", "ann"];
        let placed = whither.current_dir(folder.path()).args(line).args(chain).assert().success();
        let node = String::from_utf8_lossy(&placed.get_output().stdout).into_owned();
        assert!(node.starts_with("node-") && node.lines().count() == 1, "{chain:?}: {node}");
    }
}
