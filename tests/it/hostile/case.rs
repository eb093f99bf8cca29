//! Hostile scripts as data: what each is asked, and what the requester must be told.
//!
//! A file of cases is TOML, because scripts stand in it as they are written:
//!
//! ```toml
//! [[case]]
//! name = "loop"                          # the action, and the script's file
//! script = "input => { while (true) ; }"
//! language = "js"                        # how its file ends; "js" where nothing is said
//! before = "input => …"                  # a step before it
//! then = ["builtin:sticky-user"]         # steps after it: built-ins, or sources
//! on_error = "skip"                      # of the script, as `on_limit` and `cpu_ms`
//! data = { bad = true }                  # the request's `data`, beside `pick`; or all of it, as text: request = '{…}'
//! expect = { node = "pick" }             # or a list: any of these
//! never = "n11"                          # the node that it must not have chosen, which `pick` then never is
//! today = { … }                          # what is expected instead where this version lacks what the case `needs`
//! needs = "lost-nodes"
//! ```
//!
//! Each question carries the id of a node in `data.pick` and that node's only user as its own, so that the right answer
//! to a script which is not thrown off is known: `pick`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::serve::Reply;

/// What this version does not do yet. A version that does takes it out of this list, and the cases expect it.
pub(crate) const MISSING: &[Needs] = &[Needs::Caches];

/// CPU time of a script that is not meant to run out of it.
const PLENTY_MS: u32 = 5_000;

/// What a case needs of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Needs {
    /// The engine's caches of where properties stand are right after a prototype changed.
    Caches,
    /// A pure function that hangs on a node costs that node alone.
    LostNodes,
    /// Want of memory is told from other crashes.
    Memory,
    /// A step says what happens when it passes a limit.
    OnLimit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// A script and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    script: String,
    #[serde(default = "javascript")]
    language: String,
    before: Option<String>,
    #[serde(default)]
    then: Vec<String>,
    on_error: Option<String>,
    on_limit: Option<String>,
    cpu_ms: Option<u32>,
    data: Option<Value>,
    request: Option<String>,
    expect: Expected,
    today: Option<Expected>,
    needs: Option<Needs>,
    never: Option<String>,
}

fn javascript() -> String {
    "js".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    One(Answer),
    AnyOf(Vec<Answer>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// The chosen node, or `pick`: the one that the question names.
    node: Option<String>,
    error: Option<String>,
    #[serde(default)]
    limit: Vec<String>,
    /// What the message, with the name of what was thrown, must have in it.
    #[serde(default)]
    words: Vec<String>,
    /// The line of the script's file that the error names.
    line: Option<u64>,
    /// The most bytes of the body.
    longest: Option<usize>,
}

/// A step of a chain, and its source where it is a script.
pub(crate) struct Step {
    pub(crate) config: String,
    pub(crate) file: Option<(String, String)>,
}

impl Case {
    /// The cases of `files`.
    pub(crate) fn read(files: &[&str]) -> Vec<Self> {
        let mut cases = Vec::new();
        for file in files {
            let file: File = toml::from_str(file).unwrap_or_else(|error| panic!("{error}"));
            cases.extend(file.case);
        }
        for case in &cases {
            for answer in case.expect.answers().iter().chain(case.today.iter().flat_map(Expected::answers)) {
                let is_limit = answer.error.as_deref() == Some("script-limit");
                assert!(answer.node.is_some() != answer.error.is_some(), "{}: a node or an error", case.name);
                assert_eq!(is_limit, !answer.limit.is_empty(), "{}: a limit has its kinds", case.name);
            }
            assert!(case.today.is_none() || case.needs.is_some(), "{}: `today` without `needs`", case.name);
            assert_eq!(case.on_limit.is_some(), case.needs == Some(Needs::OnLimit), "{}: on-limit", case.name);
            assert_eq!(cases.iter().filter(|other| other.name == case.name).count(), 1, "{}: twice", case.name);
        }
        cases
    }

    /// Whether this version can be asked at all: a config with a key that it does not know is refused.
    pub(crate) fn can_be_asked(&self) -> bool {
        !(self.needs == Some(Needs::OnLimit) && MISSING.contains(&Needs::OnLimit))
    }

    /// The action whose chain it is.
    pub(crate) fn action(&self) -> String {
        format!("hostile/{}", self.name)
    }

    /// The script's file.
    pub(crate) fn file(&self) -> String {
        format!("{}.{}", self.name, self.language)
    }

    /// Its chain.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut own = format!("script = \"{}\"", self.file());
        for (key, value) in [("on_error", &self.on_error), ("on_limit", &self.on_limit)] {
            if let Some(value) = value {
                own += &format!(", {key} = \"{value}\"");
            }
        }
        own += &self.cpu_ms().map(|ms| format!(", cpu_ms = {ms}")).unwrap_or_default();
        let own = Step { config: format!("{{ {own} }}"), file: Some((self.file(), self.script.clone())) };
        let mut steps: Vec<_> = self.before.iter().map(|source| self.beside("before", source)).collect();
        if let (Some(on_limit), Some(step)) = (&self.on_limit, steps.first_mut()) {
            step.config = step.config.replace(" }", &format!(", on_limit = \"{on_limit}\" }}"));
        }
        steps.push(own);
        steps.extend(self.then.iter().map(|source| self.beside("then", source)));
        steps
    }

    /// What the test is not about must not run out of time either, in a debug build that collects garbage meanwhile.
    fn cpu_ms(&self) -> Option<u32> {
        let is_of_time = |answer: &Answer| answer.limit.iter().any(|limit| limit == "time");
        let answers = self.expect.answers().iter().chain(self.today.iter().flat_map(Expected::answers));
        let has_time = self.on_limit.is_none() && !answers.into_iter().any(is_of_time);
        self.cpu_ms.or(has_time.then_some(PLENTY_MS))
    }

    fn beside(&self, place: &str, source: &str) -> Step {
        if source.starts_with("builtin:") {
            return Step { config: format!("\"{source}\""), file: None };
        }
        let file = format!("{}-{place}.{}", self.name, self.language);
        Step { config: format!("{{ script = \"{file}\" }}"), file: Some((file, source.to_owned())) }
    }

    /// A question whose right answer is `pick`.
    pub(crate) fn question(&self, pick: &str) -> Value {
        let mut question = match &self.request {
            Some(text) => serde_json::from_str(&text.replace("PICK", pick)).unwrap(),
            None => json!({"data": self.data.clone().unwrap_or_else(|| json!({}))}),
        };
        question["action"] = json!(self.action());
        question["user"] = json!({"login": pick.replace('n', "u")});
        question["data"]["pick"] = json!(pick);
        question
    }

    /// Whether a question may name `pick`.
    pub(crate) fn may_pick(&self, pick: &str) -> bool {
        self.never.as_deref() != Some(pick)
    }

    /// What is wrong with `reply` to a question that named `pick`.
    pub(crate) fn check(&self, reply: &Reply, pick: &str) -> Result<(), String> {
        let lacks = self.needs.is_some_and(|needs| MISSING.contains(&needs));
        let expected = if lacks { self.today.as_ref().unwrap_or(&self.expect) } else { &self.expect };
        let wrongs: Vec<_> =
            expected.answers().iter().filter_map(|answer| answer.check(self, reply, pick).err()).collect();
        if wrongs.len() < expected.answers().len() {
            return Ok(());
        }
        let mut body = reply.body.clone();
        if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("diagnosis");
        }
        let mut told = body.to_string();
        told.truncate(told.floor_char_boundary(700));
        Err(format!("{} (asked for {pick}): {}; was told {told}", self.name, wrongs.join("; nor: ")))
    }
}

impl Expected {
    fn answers(&self) -> &[Answer] {
        match self {
            Self::One(answer) => std::slice::from_ref(answer),
            Self::AnyOf(answers) => answers,
        }
    }
}

impl Answer {
    fn check(&self, case: &Case, reply: &Reply, pick: &str) -> Result<(), String> {
        let body = &reply.body;
        if let Some(longest) = self.longest.filter(|longest| body.to_string().len() > *longest) {
            return Err(format!("a body of {} bytes, at most {longest}", body.to_string().len()));
        }
        if let Some(node) = &self.node {
            let right = if node == "pick" { pick } else { node };
            return if body["node"] == right { Ok(()) } else { Err(format!("not node {right}")) };
        }
        let (error, name) = (&body["error"], self.error.as_deref().unwrap_or_default());
        if error["name"] != name {
            return Err(format!("not `{name}`"));
        }
        // What an explanation tells of a decision that failed is no failure of its own.
        let is_explained = reply.code.is_none() && body["steps"].is_array();
        if !is_explained && reply.code.as_deref() != Some(error["code"].to_string().as_str()) {
            return Err(format!("the header's code is {:?}", reply.code));
        }
        if let Some(line) = self.line.filter(|line| error["position"]["line"] != *line) {
            return Err(format!("the line is {}, not {line}", error["position"]["line"]));
        }
        // What died without a word leaves no step behind.
        let unnamed = matches!(error["limit"].as_str(), Some("crash" | "memory")) && error["step"].is_null();
        if name != "no-node" && !unnamed && error["step"] != case.file() {
            return Err(format!("the step is {}", error["step"]));
        }
        if !self.limit.is_empty() && !self.limit.iter().any(|limit| error["limit"] == **limit) {
            return Err(format!("the limit is {}, expected {:?}", error["limit"], self.limit));
        }
        let said = format!("{} {}", error["thrown"]["name"], error["message"]);
        match self.words.iter().find(|word| !said.contains(*word)) {
            Some(word) => Err(format!("`{word}` is not said")),
            None => Ok(()),
        }
    }
}
