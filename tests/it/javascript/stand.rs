//! A cluster, a request and an engine to try scripts on, in any language.
#![allow(dead_code, reason = "each language uses its own part")]

use std::rc::Rc;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use whither::clock::{Alarm, Moment, Silent};
use whither::engine::{LANGUAGES, Settings};
use whither::model::diagnosis::LogLine;
use whither::model::{Arrangement, Change};
use whither::model::{Candidate, Cluster, Report, Request};
use whither::script::{
    Argument, Call, CallAnswer, CallContext, Engine, Isolation, LoadError, LogBook, ReturnedValue, Script, ScriptError,
    ScriptLimits, ScriptRequest, ScriptSource,
};

pub(crate) const NOW_MS: i64 = 1_795_195_800_000; // 2026-11-20T17:30:00Z, a Friday

pub(crate) struct Stand {
    /// How the files of its language end.
    extension: &'static str,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) cluster: Cluster,
    pub(crate) request: Request,
    pub(crate) moment: Moment,
    pub(crate) log: LogBook,
    pub(crate) limits: ScriptLimits,
    pub(crate) seed: u64,
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self::with(three(), json!({"user": {"login": "u0"}, "userGroups": ["cad"], "data": {"group": "gpu"}}))
    }

    /// The same for scripts in the language whose files end with `extension`.
    pub(crate) fn speaking(extension: &'static str) -> Self {
        Self::new().in_language(extension, Rc::new(Silent))
    }

    /// The same with another language, under `alarm`.
    pub(crate) fn in_language(self, extension: &'static str, alarm: Rc<dyn Alarm>) -> Self {
        let language = LANGUAGES.iter().find(|language| language.extension == extension).unwrap();
        let zone = TimeZone::get("America/Chicago").unwrap();
        let engine = (language.engine)(&Settings { limits: self.limits, zone, alarm });
        Self { extension, engine, ..self }
    }

    /// The same in the time zone `name`.
    pub(crate) fn in_zone(self, name: &str) -> Self {
        let zone = TimeZone::get(name).unwrap();
        let language = LANGUAGES.iter().find(|language| language.extension == self.extension).unwrap();
        let settings = Settings { limits: self.limits, zone: zone.clone(), alarm: Rc::new(Silent) };
        Self { engine: (language.engine)(&settings), moment: Moment::at(NOW_MS, &zone), ..self }
    }

    pub(crate) fn with(nodes: Vec<Value>, request: Value) -> Self {
        let zone = TimeZone::get("America/Chicago").unwrap();
        let limits = ScriptLimits::default();
        let mut cluster = Cluster::new(Arrangement::Arrival);
        for node in nodes {
            cluster.apply(Change::Report(Arc::new(Report::from_value(node).unwrap())));
        }
        Self {
            extension: "js",
            engine: (LANGUAGES[0].engine)(&Settings { limits, zone: zone.clone(), alarm: Rc::new(Silent) }),
            cluster,
            request: Request::from_value(request, "here").unwrap(),
            moment: Moment::at(NOW_MS, &zone),
            log: LogBook::new(limits),
            limits,
            seed: 7,
        }
    }

    pub(crate) fn try_load(&self, text: &str) -> Result<Box<dyn Script>, LoadError> {
        let file = format!("step0.{}", self.extension).into();
        self.engine.load(&ScriptSource { file, content: text.into(), isolation: Isolation::default() })
    }

    pub(crate) fn load(&self, text: &str) -> Box<dyn Script> {
        self.try_load(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    pub(crate) fn scene(&self) -> CallContext<'_> {
        let asked = ScriptRequest {
            request: &self.request,
            passes_jwt: false,
            moment: &self.moment,
            seed: self.seed,
            sequence: 5,
        };
        CallContext { cluster: &self.cluster, asked: Some(asked), step: 0, log: &self.log }
    }

    pub(crate) fn pure_scene(&self) -> CallContext<'_> {
        CallContext { asked: None, ..self.scene() }
    }

    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        self.cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).collect()
    }

    pub(crate) fn candidate(&self, id: &str) -> Candidate {
        Candidate::plain(self.cluster.find(id).unwrap())
    }

    /// What a whole-list script returns over all nodes.
    pub(crate) fn returned(&self, text: &str) -> Result<ReturnedValue, ScriptError> {
        self.balance(&*self.load(text), &self.candidates())
    }

    pub(crate) fn balance(&self, script: &dyn Script, candidates: &[Candidate]) -> Result<ReturnedValue, ScriptError> {
        match script.open(self.scene())?.call(Call::Balance(&Arc::from(candidates)))? {
            CallAnswer::Returned(returned) => Ok(returned),
            other => panic!("{other:?}"),
        }
    }

    /// The id that a whole-list script returns.
    #[track_caller]
    pub(crate) fn id(&self, text: &str) -> String {
        match self.returned(text) {
            Ok(ReturnedValue::Id(id)) => id,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// What a per-node script's function says of the node `id`, in a scene that fits `argument`.
    pub(crate) fn call(
        &self,
        text: &str,
        function: &str,
        id: &str,
        argument: Argument<'_>,
    ) -> Result<CallAnswer, ScriptError> {
        let (script, candidate) = (self.load(text), self.candidate(id));
        let scene = if matches!(argument, Argument::Nothing) { self.pure_scene() } else { self.scene() };
        let mut run = script.open(scene)?;
        match function {
            "filter" => run.call(Call::Filter(&candidate, argument)),
            "score" => run.call(Call::Score(&candidate, argument)),
            _ => run.call(Call::Key),
        }
    }

    pub(crate) fn thrown(&self, text: &str) -> (String, String, Option<(u32, u32)>) {
        match self.returned(text) {
            Err(ScriptError::Thrown(thrown, position)) => {
                (thrown.name, thrown.message, position.map(|position| (position.line, position.column)))
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.log.take()
    }
}

/// Three nodes with 3, 1 and 2 sessions; `b` and `c` have a GPU, `c` the most free memory.
pub(crate) fn three() -> Vec<Value> {
    let node = |id: &str, sessions: usize, free: u64, metadata: Value| {
        let list: Vec<_> =
            (0..sessions).map(|n| json!({"id": format!("{id}-s{n}"), "user": format!("u{n}")})).collect();
        json!({
            "id": id,
            "nodeData": {
                "health": {
                    "cpu": {"load1": 0.5, "load5": 0.5, "load15": 0.5, "cores": 4, "utilization": 12},
                    "mem": {"free": free, "total": 16_000_000_000_u64, "percent": 25.0},
                },
                "services": ["launcher"],
                "sessions": list,
            },
            "metadata": metadata,
        })
    };
    vec![
        node("a", 3, 4_000_000_000, json!({"group": "cpu"})),
        node("b", 1, 2_000_000_000, json!({"group": "gpu", "gpu": true, "users": ["ann", "bob"]})),
        node("c", 2, 8_000_000_000, json!({"group": "gpu", "gpu": true, "login": true})),
    ]
}
