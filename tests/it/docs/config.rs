//! The config's reference, from the lists that its readers check against.

use std::process::Command;

use whither::config::figure::FIGURES;
use whither::config::key::KEYS;

use super::markdown::{code, table};

/// The sections, each with its heading.
const SECTIONS: [(&str, &str); 8] = [
    ("nats", "[nats]"),
    ("http", "[http]"),
    ("service", "[service]"),
    ("limits", "[limits]"),
    ("tokens", "[tokens]"),
    ("tracing", "[tracing]"),
    ("chain", "[chain.\"ACTION\"]"),
    ("step", "A step that is a table"),
];

/// Every key, with what it is where the config does not say.
pub(crate) fn keys() -> String {
    let section = |(name, heading): (&str, &str)| {
        let words = KEYS
            .iter()
            .filter(|key| key.section == name)
            .map(|key| [code(key.key), default(key.default), key.expected.to_owned(), sentence(key.about)]);
        let figures = FIGURES.iter().filter(|figure| figure.section == name).map(|figure| {
            let range = format!("{} to {}", figure.least, figure.most);
            let unit = unit(figure.key);
            let range = if unit.is_empty() { range } else { format!("{range} {unit}") };
            [code(figure.key), code(&figure.default.to_string()), range, sentence(figure.about)]
        });
        format!("## {heading}\n\n{}", table(["key", "default", "may be", "meaning"], words.chain(figures)))
    };
    SECTIONS.map(section).join("\n\n")
}

/// The config that `whither new config` writes.
pub(crate) fn file() -> String {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("whither.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_whither"));
    let output = command.current_dir(folder.path()).args(["new", "config", "--out"]).arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    format!("```toml\n{}\n```", std::fs::read_to_string(out).unwrap().trim_end())
}

/// A default as it is shown: what a config can say stands as code.
fn default(written: &str) -> String {
    let is_value =
        written.starts_with(['"', '[']) || matches!(written, "true" | "false" | "1") || written.starts_with("limits.");
    if is_value { code(written) } else { written.to_owned() }
}

fn sentence(about: &str) -> String {
    about.replace('|', "\\|")
}

/// The unit that the name of a figure ends with.
fn unit(key: &str) -> &'static str {
    let units = [("_us_per_candidate", "µs"), ("_ms", "ms"), ("_s", "s"), ("_kb", "KiB"), ("_mb", "MiB")];
    units.into_iter().find(|(end, _)| key.ends_with(end)).map_or("", |(_, unit)| unit)
}
