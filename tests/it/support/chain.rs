//! Chain cases as data: nodes, a request, the steps of a chain, and what `place` must answer to them.
//!
//! A suite is a JSON file `{"node_sets": {NAME: [NODE…]}, "cases": [CASE…]}`. A case's `nodes` are a list or the name of
//! one, its steps are sources that are written into a folder for it, or files beside the suite. What is misspelt in a
//! suite fails before any case runs, so that no expectation is overlooked.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use super::shell::{Shell, Told};

/// How many cases run at once.
const THREADS: usize = 2;

/// What a step needs of the binary beyond JavaScript and the built-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Needs {
    Executable,
    Rhai,
    Rules,
    Wasm,
}

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    #[serde(rename = "about")]
    _about: Option<String>,
    #[serde(default)]
    node_sets: BTreeMap<String, Vec<Value>>,
    cases: Vec<Case>,
    /// Where `file` steps are.
    #[serde(skip)]
    files: PathBuf,
}

/// One chain over some nodes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    name: String,
    #[serde(rename = "why")]
    _why: String,
    nodes: Nodes,
    request: Option<Value>,
    #[serde(default)]
    args: Vec<String>,
    /// Whether nodes and `params` come on standard input, as FastX 4 hands them over.
    #[serde(default)]
    stdin: bool,
    chain: Vec<Step>,
    expect: Expect,
    needs: Option<Needs>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Nodes {
    Named(String),
    Listed(Vec<Value>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Builtin(String),
    File(String),
    Js(String),
    /// A .js file that may be executed.
    JsExec(String),
    Exec(String),
    Rhai(String),
    Rules(String),
    Wat(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The id on standard output, alone.
    node: Option<String>,
    exit: Option<i32>,
    exit_in: Option<Vec<i32>>,
    /// Words that standard error must have.
    #[serde(default)]
    stderr: Vec<String>,
}

impl Suite {
    /// Reads a suite whose `file` steps are in `files`.
    pub(crate) fn parse(text: &str, files: &Path) -> Self {
        let mut suite: Self = serde_json::from_str(text).unwrap();
        files.clone_into(&mut suite.files);
        let names: BTreeSet<_> = suite.cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), suite.cases.len(), "two cases have one name");
        for case in &suite.cases {
            let expect = &case.expect;
            let ends = [expect.node.is_some(), expect.exit.is_some(), expect.exit_in.is_some()];
            assert_eq!(ends.iter().filter(|given| **given).count(), 1, "{}: expect one end", case.name);
            let needs = case.chain.iter().filter_map(Step::needs).any(|needs| Some(needs) == case.needs);
            assert!(case.needs.is_none() || needs, "{}: no step needs {:?}", case.name, case.needs);
        }
        suite
    }

    /// Runs the cases that `of` picks; fails with the reasons of all that went wrong.
    pub(crate) fn run(&self, of: impl Fn(&Case) -> bool) {
        let cases: Vec<_> = self.cases.iter().filter(|case| of(case)).collect();
        assert!(!cases.is_empty(), "no case was picked");
        let failures = self.failures(&cases);
        let listed: Vec<_> = failures.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        assert!(listed.is_empty(), "{} of {} cases failed\n  {}", listed.len(), cases.len(), listed.join("\n  "));
    }

    /// The names of the cases that fail, with the reasons, in the order of the file.
    pub(crate) fn failures<'a>(&self, cases: &[&'a Case]) -> Vec<(&'a str, String)> {
        let (next, failures) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(number) else { break };
                        if let Err(reason) = self.check(case) {
                            failures.lock().unwrap().insert(number, (case.name.as_str(), reason));
                        }
                    }
                });
            }
        });
        failures.into_inner().unwrap().into_values().collect()
    }

    /// Every case.
    pub(crate) fn cases(&self) -> Vec<&Case> {
        self.cases.iter().collect()
    }

    fn check(&self, case: &Case) -> Result<(), String> {
        let shell = Shell::new();
        let nodes = match &case.nodes {
            Nodes::Named(name) => self.node_sets.get(name).ok_or_else(|| format!("no node set `{name}`"))?,
            Nodes::Listed(nodes) => nodes,
        };
        let told = case.place(&shell, nodes, &self.files);
        if told.code.is_none() {
            return Err(format!("it did not end, or a signal ended it: {}", told.last_words()));
        }
        case.expect.check(&told)
    }
}

impl Case {
    /// Whether a step is a program.
    pub(crate) fn runs_programs(&self) -> bool {
        self.chain.iter().any(|step| step.needs() == Some(Needs::Executable))
    }

    fn place(&self, shell: &Shell, nodes: &[Value], files: &Path) -> Told {
        let mut arguments = vec![OsString::from("place")];
        arguments.extend(self.args.iter().map(OsString::from));
        for (number, step) in self.chain.iter().enumerate() {
            arguments.push("--script".into());
            arguments.push(step.write(shell, number, files));
        }
        if self.stdin {
            let params = self.request.as_ref().and_then(|request| request.get("params")).cloned();
            let document = json!({"nodes": nodes, "params": params.unwrap_or(json!({}))});
            return shell.feed(&arguments, &document.to_string());
        }
        arguments.push("--nodes".into());
        arguments.push(shell.write("nodes.json", json!(nodes).to_string()).into());
        if let Some(request) = &self.request {
            arguments.push("--request".into());
            arguments.push(shell.write("request.json", request.to_string()).into());
        }
        shell.whither(&arguments)
    }
}

impl Step {
    fn needs(&self) -> Option<Needs> {
        match self {
            Self::Builtin(_) | Self::Js(_) => None,
            Self::File(name) => (!name.ends_with(".js")).then_some(Needs::Executable),
            Self::JsExec(_) | Self::Exec(_) => Some(Needs::Executable),
            Self::Rhai(_) => Some(Needs::Rhai),
            Self::Rules(_) => Some(Needs::Rules),
            Self::Wat(_) => Some(Needs::Wasm),
        }
    }

    /// The name of its file, as step `number` of a chain.
    fn file(&self, number: usize) -> String {
        let suffix = match self {
            Self::Builtin(name) => return format!("builtin:{name}"),
            Self::File(name) => return name.clone(),
            Self::Js(_) | Self::JsExec(_) => "js",
            Self::Exec(_) => "sh",
            Self::Rhai(_) => "rhai",
            Self::Rules(_) => "toml",
            Self::Wat(_) => "wat",
        };
        format!("step{number}.{suffix}")
    }

    /// What `--script` is given; the source is written where it is no file yet.
    fn write(&self, shell: &Shell, number: usize, files: &Path) -> OsString {
        let name = self.file(number);
        match self {
            Self::Builtin(_) => name.into(),
            Self::File(_) => files.join(name).into(),
            Self::Js(source) | Self::Rhai(source) | Self::Rules(source) | Self::Wat(source) => {
                shell.write(&name, source).into()
            }
            Self::JsExec(source) | Self::Exec(source) => {
                use std::os::unix::fs::PermissionsExt;
                let path = shell.write(&name, source);
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
                path.into()
            }
        }
    }
}

impl Expect {
    fn check(&self, told: &Told) -> Result<(), String> {
        let Told { code, stdout, .. } = told;
        let (code, said, words) = (code.unwrap_or_default(), stdout.trim(), told.last_words());
        if let Some(node) = &self.node {
            return match code {
                0 if said == node => Ok(()),
                0 => Err(format!("chose `{said}`, expected `{node}`")),
                _ => Err(format!("exit {code}, expected `{node}`: {words}")),
            };
        }
        if let Some(codes) = &self.exit_in {
            let reason = || format!("exit {code}, expected one of {codes:?}: {words}");
            return codes.contains(&code).then_some(()).ok_or_else(reason);
        }
        fails(told, self.exit.unwrap_or_default(), &self.stderr)
    }
}

fn fails(told: &Told, exit: i32, words: &[String]) -> Result<(), String> {
    if told.code != Some(exit) {
        let code = told.code.unwrap_or_default();
        return Err(format!("exit {code} (`{}`), expected exit {exit}: {}", told.stdout.trim(), told.last_words()));
    }
    if !told.stdout.trim().is_empty() {
        return Err(format!("a failed placement printed `{}`", told.stdout.trim()));
    }
    let missing: Vec<_> = words.iter().filter(|word| !told.stderr.contains(*word)).collect();
    missing.is_empty().then_some(()).ok_or_else(|| format!("stderr lacks {missing:?}: {}", told.last_words()))
}
