//! The chains of a storm: the built-in, and a chain for each kind of script, which choose much the same; or the user's
//! own.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::exit::CommandExit;
use crate::cli::processes::on_path;

/// A chain that is stormed.
#[derive(Clone, Debug)]
pub(super) struct StormChain {
    /// The name of the chain's rows.
    pub(super) name: String,
    /// The `steps` of the chain, as a config has them.
    pub(super) steps: String,
    /// The files that belong beside the config.
    pub(super) files: Vec<(&'static str, &'static str)>,
}

/// A chain that cannot be stormed here, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// The name of the chain's rows.
    pub(super) name: String,
    /// The reason, and what would help.
    pub(super) why: String,
}

/// A kind of script, and a step of that kind.
struct StormScript {
    name: &'static str,
    step: StormStep,
}

enum StormStep {
    Builtin(&'static str),
    /// The file and the file's text.
    Script(&'static str, &'static str),
    /// The file that `make wasm` writes.
    Component(&'static str),
    /// The program and the helper that the program reads.
    Resident([(&'static str, &'static str); 2]),
}

/// All choose the node with the fewest sessions; `js-key` and `wasm-node` do so among the nodes with or without a GPU.
const KINDS: [StormScript; 10] = [
    StormScript { name: "fewest-sessions", step: StormStep::Builtin("builtin:fewest-sessions") },
    StormScript { name: "js-pure", step: StormStep::Script("pure.js", "function score(n) { return -n.sessions }\n") },
    StormScript { name: "js-request", step: StormStep::Script("request.js", JS_REQUEST) },
    StormScript { name: "js-key", step: StormStep::Script("key.js", JS_KEY) },
    StormScript { name: "fastx-list", step: StormStep::Script("list.js", FASTX_LIST) },
    StormScript { name: "rhai-request", step: StormStep::Script("request.rhai", RHAI_REQUEST) },
    StormScript { name: "rhai-list", step: StormStep::Script("list.rhai", RHAI_LIST) },
    StormScript { name: "wasm-node", step: StormStep::Component("gpu_weight.wasm") },
    StormScript { name: "wasm-list", step: StormStep::Component("fewest_sessions.wasm") },
    StormScript { name: "resident", step: StormStep::Resident([("fewest.py", RESIDENT), ("resident.py", HELPER)]) },
];

const JS_REQUEST: &str = "\
function filter(n, r) { return !n.metadata.users || n.metadata.users.includes(r.user.login) }
function score(n) { return -n.sessions }
";
const JS_KEY: &str = "\
function key(r) { return r.userGroups.includes('gpu-users') }
function filter(n, gpu) { return gpu === (n.metadata.gpu === '1') }
function score(n) { return -n.sessions }
";
const FASTX_LIST: &str = "\
function(input) {
  var best = null;
  input.servers.forEach(function(server) {
    if (best === null || server.sessions < best.sessions) best = server;
  });
  return best.serverId;
}
";
const RHAI_REQUEST: &str = "\
fn filter(n, r) { let users = n.metadata.users; users == () || r.user.login in users }
fn score(n) { -n.sessions }
";
const RHAI_LIST: &str = "\
fn balance(input) {
  let id = ();
  let fewest = 1_000_000;
  for n in input.nodes {
    if n.sessions < fewest { fewest = n.sessions; id = n.id; }
  }
  id
}
";
const RESIDENT: &str = include_str!("../../../../scripts/resident-fewest.py");
const HELPER: &str = include_str!("../../../../scripts/resident.py");
/// The folder in which `make wasm` leaves components, below the folder of builds.
const COMPONENTS: &str = "wasm/wasm32-wasip2/release";

/// Returns the chains to storm, those of `only` where any are named, and those that cannot be.
///
/// # Errors
/// A name that no chain has.
pub(super) fn known(only: &[String]) -> Result<(Vec<StormChain>, Vec<LeftOut>), CommandExit> {
    let names = || KINDS.iter().map(|kind| kind.name);
    if let Some(unknown) = only.iter().find(|name| !names().any(|known| known == name.as_str())) {
        let names: Vec<_> = names().collect();
        return Err(CommandExit::usage(format!(
            "--only {unknown}: there is no such chain, there are: {}",
            names.join(", ")
        )));
    }
    let (mut chains, mut left_out) = (Vec::new(), Vec::new());
    for kind in KINDS.iter().filter(|kind| only.is_empty() || only.iter().any(|name| name == kind.name)) {
        match kind.chain(components().as_deref()) {
            Ok(chain) => chains.push(chain),
            Err(why) => left_out.push(LeftOut { name: kind.name.to_owned(), why }),
        }
    }
    Ok((chains, left_out))
}

/// Returns each of `scripts` as a chain of a single step.
///
/// # Errors
/// A file that does not exist.
pub(super) fn own(scripts: &[String]) -> Result<Vec<StormChain>, CommandExit> {
    let chain = |script: &String| {
        let step = match script.starts_with("builtin:") {
            true => script.clone(),
            false => std::path::absolute(script)
                .and_then(|path| path.metadata().map(|_there| path.to_string_lossy().into_owned()))
                .map_err(|error| CommandExit::usage(format!("{script}: {error}")))?,
        };
        Ok(StormChain { name: script.clone(), steps: text(&step), files: Vec::new() })
    };
    scripts.iter().map(chain).collect()
}

impl StormScript {
    /// Returns the chain of this kind, with components from the folder `components`; else why there is none.
    fn chain(&self, components: Option<&Path>) -> Result<StormChain, String> {
        let (steps, files) = match &self.step {
            StormStep::Builtin(name) => (text(name), Vec::new()),
            StormStep::Script(file, source) => (text(file), vec![(*file, *source)]),
            StormStep::Component(file) => {
                let path = components.map(|folder| folder.join(file)).filter(|path| path.is_file());
                let path =
                    path.ok_or_else(|| format!("there is no {file} beside this build; `make wasm` builds it"))?;
                (text(&path.to_string_lossy()), Vec::new())
            }
            StormStep::Resident([program, helper]) => {
                on_path("python3").ok_or("there is no python3 on PATH")?;
                (format!("{{ script = {}, mode = \"resident\" }}", text(program.0)), vec![*program, *helper])
            }
        };
        Ok(StormChain { name: self.name.to_owned(), steps, files })
    }
}

/// Returns the folder of components, if this is a build of this repository.
fn components() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.parent()?.join(COMPONENTS))
}

/// Renders `text` as a TOML string, which for these texts is the JSON string.
fn text(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_chosen_by_name_and_what_is_missing_is_said() {
        let only = ["js-key", "fewest-sessions"].map(str::to_owned);
        let (chains, left_out) = known(&only).unwrap();
        let names: Vec<_> = chains.iter().map(|chain| chain.name.as_str()).collect();
        assert_eq!((names.as_slice(), left_out.len()), (["fewest-sessions", "js-key"].as_slice(), 0));
        assert!(known(&["js".to_owned()]).unwrap_err().message.contains("js-pure"));
        let component = KINDS.iter().find(|kind| kind.name == "wasm-list").unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(component.chain(Some(folder.path())).unwrap_err().contains("make wasm"));
        std::fs::write(folder.path().join("fewest_sessions.wasm"), "").unwrap();
        assert!(component.chain(Some(folder.path())).unwrap().steps.contains("fewest_sessions.wasm"));
    }

    #[test]
    fn ones_own_scripts_are_each_a_chain() {
        let chains = own(&["builtin:weighted", "scripts/allow-list.js"].map(str::to_owned)).unwrap();
        assert_eq!(chains[0].steps, "\"builtin:weighted\"");
        assert!(chains[1].steps.starts_with("\"/") && chains[1].name == "scripts/allow-list.js");
        assert!(own(&["nowhere.js".to_owned()]).unwrap_err().message.contains("nowhere.js"));
    }
}
