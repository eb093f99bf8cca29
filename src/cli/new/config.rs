//! `whither new config`: a config that loads as it is, in which every setting stands with its default and its range.
//!
//! The figures are written out from the list that the reader checks against, so that the two cannot disagree.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::save::{Existing, save, say};
use crate::cli::files::Disk;
use crate::config::figure::FIGURES;
use crate::config::problem::shell_word;
use crate::config::steps::BUILTIN_PREFIX;
use crate::config::{Limits, load_step};

/// What `whither new config` is asked for.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "whither.toml")]
    out: PathBuf,
    /// A script or builtin:NAME that the chain for sessions begins with; may be repeated
    #[arg(long, value_name = "STEP")]
    script: Vec<String>,
    #[command(flatten)]
    existing: Existing,
}

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let folder = args.out.parent().unwrap_or(Path::new(""));
    let mut steps = Vec::new();
    for written in &args.script {
        load_step(written, Path::new(""), &Disk, &Limits::default().script())?;
        steps.push(from_folder(written, folder)?);
    }
    let text = text(&steps);
    save(&args.out, args.existing, |out| out.write_all(text.as_bytes()))?;
    let file = shell_word(&args.out.to_string_lossy());
    let mut next = Vec::new();
    if !Path::new("nodes.json").exists() {
        next.push("whither new nodes --out nodes.json".to_owned());
    }
    next.push(format!("whither place --nodes nodes.json --config {file} --explain"));
    next.push(format!("whither serve --config {file}"));
    say(&format!("wrote {file}"), &next);
    Ok(())
}

/// The step `written`, which was found from here, as a config in `folder` names it.
fn from_folder(written: &str, folder: &Path) -> anyhow::Result<String> {
    let here = folder.as_os_str().is_empty() || folder == Path::new(".");
    if here || written.starts_with(BUILTIN_PREFIX) {
        return Ok(written.to_owned());
    }
    let path = std::path::absolute(written).map_err(|error| anyhow!("cannot tell where `{written}` is: {error}"))?;
    Ok(path.to_string_lossy().into_owned())
}

/// A config whose chain for sessions begins with `steps`.
fn text(steps: &[String]) -> String {
    let last = format!("{BUILTIN_PREFIX}fewest-sessions");
    let listed: Vec<_> = steps.iter().chain([&last]).map(|step| toml::Value::from(step.as_str()).to_string()).collect();
    include_str!("config.toml")
        .replace("# FIGURES OF service\n", &figures("service"))
        .replace("# FIGURES OF limits\n", &figures("limits"))
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
    use crate::config::{Config, Loading, MemoryFiles, Needs, load};

    fn load_text(text: &str) -> Config {
        let files = MemoryFiles::default()
            .with_mode("w.toml", text, 0o600)
            .with("whither.creds", "x")
            .with("scripts/gpu.js", "(input) => undefined")
            .with("ca.pem", "x")
            .with("cert.pem", "x")
            .with("key.pem", "x");
        let loading = Loading { files: &files, host_zone: "UTC", needs: Needs::Both };
        load(Path::new("w.toml"), loading).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
    }

    #[test]
    fn it_loads_as_it_is() {
        let config = load_text(&text(&[]));
        let actions: Vec<_> = config.chains.chains.iter().map(|chain| &*chain.action).collect();
        assert_eq!(actions, ["session/start", "user/login"]);
        assert_eq!((config.limits, config.http), (Limits::default(), None));
        let steps = ["scripts/gpu.js".to_owned(), "builtin:weighted".to_owned()];
        let names: Vec<_> =
            load_text(&text(&steps)).chains.chains[0].steps.iter().map(|step| step.name.to_string()).collect();
        assert_eq!(names, ["scripts/gpu.js", "builtin:weighted", "builtin:fewest-sessions"]);
    }

    /// What stands in a comment as `# key = value` is true: with all of them switched on nothing changes but what has no
    /// default.
    #[test]
    fn its_comments_are_settings() {
        let ways_to_log_in = ["token", "user", "password", "nkey"];
        let is_setting = |line: &str| {
            let key = line.split(" = ").next().unwrap_or_default();
            line.contains(" = ") && !key.contains(' ') && !ways_to_log_in.contains(&key)
        };
        let switched_on: String = text(&[])
            .lines()
            .map(|line| match line.strip_prefix("# ").filter(|line| is_setting(line) || line.starts_with("[http]")) {
                Some(setting) => format!("{setting}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        let (plain, full) = (load_text(&text(&[])), load_text(&switched_on));
        assert_eq!(full.limits, plain.limits);
        assert_eq!(full.service.liveness_s, plain.service.liveness_s);
        assert_eq!(full.nats.namespace, plain.nats.namespace);
        assert_eq!(full.http.unwrap().to_string(), "127.0.0.1:4280");
        assert!(full.nats.tls.client.is_some() && full.nats.tls.required);
        let chain = &full.chains.chains[0];
        assert_eq!(
            (chain.reserve, chain.on_unplaceable),
            (plain.chains.chains[0].reserve, plain.chains.chains[0].on_unplaceable)
        );
        assert_eq!(chain.require_services, ["launcher"]);
        assert!(full.service.timezone != plain.service.timezone && switched_on.matches("\n# ").count() < 20);
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
