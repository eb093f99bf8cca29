//! `whither test --record ID`: a decision of a running service becomes a test, with its nodes and its request beside it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::problem::shell_word;
use crate::config::suite::SUITE_SUFFIX;
use crate::plain::plain;

use super::super::chains::{default_config, has_section};
use super::super::exit::{self, CommandExit};
use super::super::{output, recorded};
use super::TestArgs;
use super::show::toml_of;

/// Writes the test of the decision `id` into the folder that `args` name.
///
/// # Errors
/// A decision that is not recorded, a service that is not reached, files that are there already.
pub(super) fn run(id: &str, args: &TestArgs) -> Result<(), CommandExit> {
    if !recorded::is_id(id) {
        return Err(CommandExit::usage(format!("`{}` is no decision's id: letters, digits, `-` and `_`", plain(id))));
    }
    let folder = match args.paths.as_slice() {
        [] => PathBuf::from("."),
        [folder] if folder.is_dir() => folder.clone(),
        _ => return Err(CommandExit::usage("--record writes into one folder, which must be there")),
    };
    let chain = chain(args, &folder)?;
    let decision = args.remote.with_bus(async |bus, namespace| recorded::fetch(&bus, &namespace, id).await)?;
    let nodes = format!("{id}.decision.json");
    let files = [
        (folder.join(&nodes), format!("{:#}\n", Value::Object(decision.clone()))),
        (folder.join(format!("{id}{SUITE_SUFFIX}")), suite(id, &chain, &nodes, &decision)),
    ];
    write(&files)?;
    let [_, (suite, _)] = &files;
    output::answer(format_args!("wrote {}\ntry: whither test {}", shown(&files), shell_word(&suite.to_string_lossy())))
}

/// What the test says of its chain.
fn chain(args: &TestArgs, folder: &Path) -> Result<String, CommandExit> {
    if !args.scripts.is_empty() {
        return Ok(format!("steps = {}", toml_of(&json!(args.scripts))));
    }
    let config = args.remote.config().map(Path::to_owned).or_else(default_config);
    let Some(config) = config.filter(|config| has_section(config, "chain")) else {
        let message =
            "the test needs a chain: add --script STEP for each of its steps, or --config FILE with the chains";
        return Err(CommandExit::usage(message));
    };
    // From the test's folder on, as all its paths are.
    let absolute = std::path::absolute(&config).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    let own = std::path::absolute(folder).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    let path = absolute.strip_prefix(&own).map(Path::to_owned).unwrap_or(absolute);
    Ok(format!("config = {}", toml_of(&json!(path.to_string_lossy()))))
}

/// The file of tests: one case, which expects what the service answered.
fn suite(id: &str, chain: &str, nodes: &str, recorded: &Map<String, Value>) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let now = recorded.get("now").and_then(Value::as_i64).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let now = now.map(|now| now.to_string()).unwrap_or_default();
    let action = text(recorded.get("chain"));
    let (expected, got) = match recorded.get("error") {
        Some(error) => {
            let (name, words) = (text(error.get("name")), text(error.get("message")));
            (json!({ "error": { "name": name, "words": words } }), name)
        }
        None => {
            let node = text(recorded.get("node"));
            (json!({ "node": node }), node)
        }
    };
    let login = recorded.get("request").and_then(|request| request.get("user")).and_then(|user| user.get("login"));
    let who = login.and_then(Value::as_str).filter(|login| !login.is_empty()).unwrap_or("somebody");
    // It stands in a comment and in a name, which end with the line.
    let line = |text: &str| plain(text).into_owned();
    let name = format!("{} got {} at {now}", line(who), line(&got));
    let name = cut(&name);
    format!(
        "# The decision {id} of a service, at {now}: its nodes and its request are in {nodes}.\n\n{chain}\n\n[[case]]\n\
         name = {}\naction = {}\nnodes = {{ decision = {} }}\nexpect = {}\n",
        toml_of(&json!(name)),
        toml_of(&json!(action)),
        toml_of(&json!(nodes)),
        toml_of(&expected),
    )
}

/// `name` within the length that names of cases may have.
fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(crate::config::suite::MAX_CASE_NAME_BYTES)).unwrap_or(name)
}

/// Writes all of `files` or none, and none over a file that is there.
fn write(files: &[(PathBuf, String)]) -> Result<(), CommandExit> {
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(CommandExit::usage(format!("`{}` is there already", path.display())));
    }
    for (place, (path, text)) in files.iter().enumerate() {
        let written = OpenOptions::new().write(true).create_new(true).open(path);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            // What was written before it is of no use alone.
            files.iter().take(place + 1).for_each(|(path, _)| drop(std::fs::remove_file(path)));
            return Err(CommandExit::new(exit::OTHER, format!("cannot write `{}`: {error}", path.display())));
        }
    }
    Ok(())
}

fn shown(files: &[(PathBuf, String)]) -> String {
    files.iter().map(|(path, _)| plain(&path.to_string_lossy()).into_owned()).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_decision_is_a_file_of_tests() {
        let recorded = json!({
            "decision": "r-1", "chain": "session/start", "now": 1_768_478_400_000_i64, "seed": "7",
            "request": {"user": {"login": "ann\n[[case]]"}}, "node": "a\"b", "nodes": [],
        });
        let text = suite("r-1", "steps = [\"builtin:weighted\"]", "r-1.decision.json", recorded.as_object().unwrap());
        let table: toml::Table = text.parse().unwrap();
        let case = &table["case"][0];
        assert_eq!(case["expect"]["node"].as_str(), Some("a\"b"));
        assert_eq!(case["nodes"]["decision"].as_str(), Some("r-1.decision.json"));
        assert_eq!(table["case"].as_array().unwrap().len(), 1, "{text}");
        assert!(case["name"].as_str().unwrap().contains("2026-01-15T12:00:00Z"));
    }
}
