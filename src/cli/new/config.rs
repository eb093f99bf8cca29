//! `whither new config`: a config that loads as it is, in which every setting stands with its default and its range.
//!
//! The figures are written from the list that the reader checks against, so that the two cannot disagree.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::Args;

use super::save::{Existing, print_next_steps, save};
use crate::chain::{StepSource, StepSpec};
use crate::check::{ChainEnding, Checker};
use crate::cli::check::on_a_large_stack;
use crate::cli::fastx::{FastX, FastxHost, LOAD_BALANCER, LOAD_BALANCER_SCRIPT, Runs};
use crate::config::figure::FIGURES;
use crate::config::problem::shell_word;
use crate::config::steps::{BUILTIN_PREFIX, builtin};
use crate::config::{LimitSettings, load_step};
use crate::engine::builtin::Builtin;
use crate::host::Disk;

/// The template's lines that FastX's load balancer switches on.
const SERVICES_OFF: &str = "# require_services = [\"launcher\"] ";
const SERVICES_ON: &str = "require_services = [\"launcher\"]   ";
const ENVIRONMENT_OFF: &str =
    "# environment = [\"LM_LICENSE_FILE\"] # what executables keep of the environment, beside PATH, HOME and TZ";

/// The arguments of `whither new config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "whither.toml")]
    out: PathBuf,
    /// A script or builtin:NAME that the chain for sessions begins with; may be repeated
    #[arg(long, value_name = "STEP")]
    script: Vec<String>,
    /// Begin with the load balancer of FastX's environment, and with the other settings of fastx.env
    #[arg(long, conflicts_with = "script")]
    from_fastx: bool,
    #[command(flatten)]
    existing: Existing,
}

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let file = shell_word(&args.out.to_string_lossy());
    let (text, done) = match args.from_fastx {
        true => {
            let (text, origin) = from_fastx(&FastxHost::real())?;
            (text, format!("wrote {file}, whose chain is {origin}"))
        }
        false => {
            let (steps, is_complete) = scripts(args)?;
            let text = if is_complete { with_steps(&steps) } else { text(&steps) };
            (text, format!("wrote {file}"))
        }
    };
    save(&args.out, args.existing, |out| out.write_all(text.as_bytes()))?;
    let mut next = Vec::new();
    if !Path::new("nodes.json").exists() {
        next.push("whither new nodes --out nodes.json".to_owned());
    }
    next.push(format!("whither place --nodes nodes.json --config {file} --explain"));
    next.push(format!("whither serve --config {file}"));
    print_next_steps(&done, &next);
    Ok(())
}

/// Returns the steps that were asked for, as the config names them, and whether the last one is a script that chooses a
/// node on each way: a step behind that one would never be asked.
fn scripts(args: &ConfigArgs) -> anyhow::Result<(Vec<String>, bool)> {
    let folder = args.out.parent().unwrap_or(Path::new(""));
    let (mut steps, mut last) = (Vec::new(), None);
    for written in &args.script {
        last = Some(load_step(written, Path::new(""), &Disk, &LimitSettings::default().script())?);
        steps.push(from_folder(written, folder)?);
    }
    let is_complete = match last {
        Some(StepSpec { name, source: StepSource::Script { extension, content, .. }, .. }) => on_a_large_stack(|| {
            let report = Checker::default().script(&name, &extension, &content, &BTreeSet::new());
            report.ending == ChainEnding::Always
        })?,
        _ => false,
    };
    Ok((steps, is_complete))
}

/// Returns a config for FastX's load balancer, and where that stands. FastX has no second step, so there is none here.
fn from_fastx(host: &FastxHost<'_>) -> anyhow::Result<(String, String)> {
    let fastx = FastX::read(host)?;
    let Some(balancer) = fastx.balancer(host)? else {
        bail!("FastX's environment names no load balancer ({})", fastx.advice());
    };
    balancer.chain(host.files, &LimitSettings::default().script())?;
    let mut text = with_steps(&[balancer.step()]).replacen(SERVICES_OFF, SERVICES_ON, 1);
    // The load balancer needs no variable with its own name, and a built-in needs none at all.
    let is_its_own = |name: &String| ![LOAD_BALANCER, LOAD_BALANCER_SCRIPT].contains(&name.as_str());
    let names: Vec<_> = fastx.variables().keys().filter(|name| is_its_own(name)).map(String::as_str).collect();
    if matches!(balancer.runs, Runs::Script(_)) && !names.is_empty() {
        let names = toml::Value::from(names);
        let line =
            format!("environment = {names} # variables from fastx.env passed to executables, beside PATH, HOME and TZ");
        text = text.replacen(ENVIRONMENT_OFF, &line, 1);
    }
    Ok((text, balancer.origin))
}

/// Returns the step `written`, relative to the current folder, relative to `folder`, where the config is written.
fn from_folder(written: &str, folder: &Path) -> anyhow::Result<String> {
    let here = folder.as_os_str().is_empty() || folder == Path::new(".");
    if here || written.starts_with(BUILTIN_PREFIX) {
        return Ok(written.to_owned());
    }
    let path = std::path::absolute(written).map_err(|error| anyhow!("cannot tell where `{written}` is: {error}"))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Returns a config whose chain for sessions begins with `steps`, and ends with a step that always chooses.
fn text(steps: &[String]) -> String {
    let last = steps.last().and_then(|step| step.strip_prefix(BUILTIN_PREFIX)).and_then(|name| builtin(name).ok());
    if last.is_some_and(Builtin::always_chooses) {
        return with_steps(steps);
    }
    with_steps(&[steps, &[format!("{BUILTIN_PREFIX}fewest-sessions")]].concat())
}

/// Returns a config whose chain for sessions is `steps`.
fn with_steps(steps: &[String]) -> String {
    let listed: Vec<_> = steps.iter().map(|step| toml::Value::from(step.as_str()).to_string()).collect();
    include_str!("config.toml")
        .replace("# FIGURES OF service\n", &figures("service"))
        .replace("# FIGURES OF limits\n", &figures("limits"))
        .replace("# FIGURES OF tokens\n", &figures("tokens"))
        .replace("# FIGURES OF tracing\n", &figures("tracing"))
        .replace("[\"STEPS\"]", &format!("[{}]", listed.join(", ")))
}

fn figures(section: &str) -> String {
    let mut lines = String::new();
    for figure in FIGURES.into_iter().filter(|figure| figure.section == section) {
        let setting = format!("{} = {}", figure.key, figure.default);
        let _infallible = writeln!(lines, "# {setting:<32} # {}; {} to {}", figure.about, figure.least, figure.most);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::key::KEYS;
    use crate::config::{Config, ConfigNeeds, Loading, MemoryFiles, load};

    fn load_text(text: &str) -> Config {
        let files = MemoryFiles::default()
            .with_mode("w.toml", text, 0o600)
            .with_mode("whither.creds", "x", 0o600)
            .with("scripts/gpu.js", "(input) => undefined")
            .with("jwks.json", include_str!("../../../tests/tokens/jwks.json"))
            .with("ca.pem", "x")
            .with("cert.pem", "x")
            .with_mode("key.pem", "x", 0o600);
        let loading = Loading { files: &files, host_zone: "UTC", needs: ConfigNeeds::Both };
        load(Path::new("w.toml"), loading).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
    }

    #[test]
    fn it_loads_as_it_is() {
        let config = load_text(&text(&[]));
        let actions: Vec<_> = config.chains.chains.iter().map(|chain| &*chain.action).collect();
        assert_eq!(actions, ["session/start", "user/login"]);
        assert_eq!((config.limits, config.http), (LimitSettings::default(), None));
        let steps = ["scripts/gpu.js".to_owned(), "builtin:weighted".to_owned()];
        let names: Vec<_> =
            load_text(&text(&steps)).chains.chains[0].steps.iter().map(|step| step.name.to_string()).collect();
        assert_eq!(names, ["scripts/gpu.js", "builtin:weighted"]);
    }

    /// A comment such as `# key = value` is true: with all of them switched on nothing changes but settings without a
    /// default.
    #[test]
    fn its_comments_are_settings() {
        let other_ways = ["token", "user", "password", "nkey", "secret_file"];
        let is_setting = |line: &str| {
            let key = line.split(" = ").next().unwrap_or_default();
            line.contains(" = ") && !key.contains(' ') && !other_ways.contains(&key)
        };
        let is_section = |line: &str| line.starts_with('[');
        let written = text(&[]);
        let (before, tracing) = written.split_once("# [tracing]\n").unwrap();
        let (tracing, after) = tracing.split_once("\n\n").unwrap();
        // A binary without tracing refuses the section.
        let tracing = if cfg!(feature = "opentelemetry") { format!("# [tracing]\n{tracing}") } else { String::new() };
        let switched_on: String = [before, &tracing, after]
            .join("\n")
            .lines()
            .map(|line| match line.strip_prefix("# ").filter(|line| is_setting(line) || is_section(line)) {
                Some(setting) => format!("{setting}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        let (plain, full) = (load_text(&text(&[])), load_text(&switched_on));
        assert_eq!(full.limits, plain.limits);
        assert_eq!(full.service.liveness_s, plain.service.liveness_s);
        assert_eq!(full.nats.namespace, plain.nats.namespace);
        assert_eq!(full.http.unwrap().to_string(), "127.0.0.1:4280");
        assert_eq!(full.tracing.is_some(), cfg!(feature = "opentelemetry"));
        assert!(full.nats.tls.client.is_some() && full.nats.tls.required);
        let chain = &full.chains.chains[0];
        assert_eq!(
            (chain.reserve, chain.on_unplaceable),
            (plain.chains.chains[0].reserve, plain.chains.chains[0].on_unplaceable)
        );
        assert_eq!(chain.require_services, ["launcher"]);
        assert!(chain.verify_jwt && full.tokens.is_some() && plain.tokens.is_none());
        assert!(full.service.timezone != plain.service.timezone && switched_on.matches("\n# ").count() < 24);
    }

    /// A reader must find every key, also keys that nobody needs at first.
    #[test]
    fn it_has_every_key() {
        let text = text(&[]);
        for key in KEYS.iter().filter(|key| key.section != "step") {
            assert!(
                text.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{} = ", key.key))),
                "{key:?}"
            );
        }
    }

    /// Returns the config for a machine with `text` for FastX's settings, and a script at `/s/choose`.
    fn written(text: &str) -> anyhow::Result<Config> {
        let files =
            MemoryFiles::default().with("/etc/fastx/fastx.env", text).with_mode("/s/choose", "#!/bin/sh", 0o755);
        let host = FastxHost { environment: Default::default(), files: &files, resolve: &|_| None, own: None };
        let (text, origin) = from_fastx(&host)?;
        assert!(origin.ends_with("in `/etc/fastx/fastx.env`"), "{origin}");
        let files = files.with_mode("w.toml", &text, 0o600);
        Ok(load(Path::new("w.toml"), Loading { files: &files, host_zone: "UTC", needs: ConfigNeeds::Both })?)
    }

    #[test]
    fn fastxs_load_balancer_is_the_one_step() {
        let config = written("LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=/s/choose\nLICENCES=a\nA.B=c\n").unwrap();
        let chain = config.chains.get("session/start").unwrap();
        let names: Vec<_> = chain.steps.iter().map(|step| &*step.name).collect();
        assert_eq!((names, &chain.require_services), (vec!["/s/choose"], &vec!["launcher".to_owned()]));
        assert_eq!(config.service.environment, ["A.B", "LICENCES"]);
        let config = written("LOAD_BALANCER=Round Robin\nLICENCES=a\n").unwrap();
        assert_eq!(&*config.chains.get("session/start").unwrap().steps[0].name, "builtin:round-robin");
        assert!(config.service.environment.is_empty());
        let error = written("LICENCES=a\n").unwrap_err().to_string();
        assert!(error.contains("`LOAD_BALANCER`") && error.contains("`/etc/fastx/fastx.env`"), "{error}");
        assert!(written("LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=/s/gone\n").is_err());
    }

    #[test]
    fn a_step_is_named_from_the_configs_folder() {
        let named = |written, folder| from_folder(written, Path::new(folder)).unwrap();
        assert_eq!(named("a.js", ""), "a.js");
        assert_eq!(named("a.js", "."), "a.js");
        assert_eq!(named("builtin:weighted", "etc"), "builtin:weighted");
        assert_eq!(named("/s/a.js", "etc"), "/s/a.js");
        assert!(Path::new(&named("a.js", "etc")).is_absolute());
    }
}
