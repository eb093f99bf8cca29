//! The instance of a compiled function, which answers.

use std::rc::Rc;

use wasmtime::{Global, Store, Trap, TypedFunc, Val as WasmVal};

use crate::clock::{Dice, Overtime};
use crate::model::diagnosis::LogLevel;
use crate::model::{Candidate, Cluster, SlotIndex};
use crate::script::{Argument, CallContext, Score, ScriptRequest};
use serde_json::Value;

use super::best::Ranking;
use super::cells::Full;
use super::emit::PROBE;
use super::host::Surroundings;
use super::ir::BailCause;
use super::module_compiler::{CompiledCode, ModuleCompiler};
use super::paths::NODE;
use super::table::{NodeTable, Owner, REQUEST_AT};
use super::thrown::ThrowPlace;
pub(in super::super) use super::unanswered::{PassedLimit, Unanswered};
use super::value::{self, Kind, kind};
use super::whole_list::PlainList;

/// Memory that an instance may keep from call to call, beside its columns.
const KEPT_BYTES: usize = 64 << 20;
/// How often a call is made again where somebody else's time was up.
const TRIES: usize = 3;

/// The instance of a compiled function.
pub(in super::super) struct Machine {
    pub(super) store: Store<Surroundings>,
    pub(super) run: Entry,
    /// The probe, with the nodes in order.
    pub(super) ranked: Option<(Entry, Ranking)>,
    /// The last list that the function was asked about.
    pub(super) asked_about: Option<PlainList>,
    top: Global,
    cause: Global,
    pub(super) table: NodeTable,
    pub(super) owner: Owner,
    throws: Vec<ThrowPlace>,
    pub(super) writes_nodes: bool,
    pub(super) memory: wasmtime::Memory,
    /// The run whose request is written down, by number, with the number of texts then and where its calls may begin.
    asked: Option<(u64, usize, u32)>,
}

/// A function of the module, by its number of parameters.
#[derive(Clone)]
pub(super) enum Entry {
    One(TypedFunc<i64, i64>),
    Two(TypedFunc<(i64, i64), i64>),
}

/// One run of a script, as compiled functions know it.
#[derive(Clone, Copy)]
pub(in super::super) struct Occasion<'a> {
    pub(in super::super) number: u64,
    pub(in super::super) scene: CallContext<'a>,
    /// How many lines a decision may log.
    pub(in super::super) log_lines: usize,
}

impl Machine {
    /// An instance of `code`.
    ///
    /// # Errors
    /// What wasmtime says.
    pub(super) fn new(code: &CompiledCode) -> wasmtime::Result<Self> {
        let surroundings =
            Surroundings { strings: code.strings.clone(), patterns: code.patterns.clone(), ..Surroundings::default() };
        let mut store = Store::new(code.ready.module().engine(), surroundings);
        store.set_epoch_deadline(1);
        let instance = code.ready.instantiate(&mut store)?;
        let missing = |what: &str| wasmtime::format_err!("compiled code has no {what}");
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| missing("memory"))?;
        let top = instance.get_global(&mut store, "top").ok_or_else(|| missing("top"))?;
        let cause = instance.get_global(&mut store, "cause").ok_or_else(|| missing("cause"))?;
        let run = match code.parameters {
            1 => Entry::One(instance.get_typed_func(&mut store, "run")?),
            _ => Entry::Two(instance.get_typed_func(&mut store, "run")?),
        };
        let ranked = match &code.best {
            Ok(order) => {
                let probe = Entry::One(instance.get_typed_func(&mut store, PROBE)?);
                Some((probe, Ranking::new(order.clone())))
            }
            Err(_) => None,
        };
        let table = NodeTable::new(memory, code.paths.clone(), code.strings.len());
        let (owner, throws, writes_nodes) = (code.owner, code.throws.clone(), code.writes_nodes);
        let (asked_about, asked) = (None, None);
        Ok(Self { store, run, ranked, asked_about, top, cause, table, owner, throws, writes_nodes, memory, asked })
    }

    /// Takes the lines that the last call logged.
    pub(in super::super) fn take_lines(&mut self) -> Vec<(LogLevel, Rc<str>)> {
        std::mem::take(&mut self.store.data_mut().lines)
    }

    /// Asks a function of one node.
    pub(in super::super) fn about(
        &mut self,
        (compiler, code): (&ModuleCompiler, &CompiledCode),
        occasion: Occasion<'_>,
        candidate: &Candidate,
        argument: Argument<'_>,
    ) -> Result<Said, Unanswered> {
        let (scene, row) = (occasion.scene, u32::try_from(candidate.slot.index()));
        let Some(node) = scene.cluster.node(candidate.slot).filter(|_| candidate.overlay.is_none()) else {
            return Err(Unanswered::Bailed(BailCause::Kind));
        };
        let SecondArgument { value, texts, end } = self.second(compiler, occasion, argument)?;
        let dice = scene.asked.map(|asked| Dice::new(asked.seed, scene.step, node.id()));
        let row = row.map_err(|_too_many| Full)?;
        let run = self.run.clone();
        let said = self.enter((compiler, code), &run, (value::object(NODE, row), value), dice, end);
        let said = said.map(|bits| self.said(bits));
        self.store.data_mut().strings.truncate(texts);
        said
    }

    /// Returns how many of the first `slots` the function answers with no, without a line or an error.
    ///
    /// # Errors
    /// The step's time is up; or the nodes do not fit into memory.
    pub(in super::super) fn leading_rejections(
        &mut self,
        (compiler, code): (&ModuleCompiler, &CompiledCode),
        occasion: Occasion<'_>,
        slots: &[SlotIndex],
        argument: Argument<'_>,
    ) -> Result<usize, Unanswered> {
        // A pattern cannot be stopped, and whoever stops the process must know the node; what a call writes into a node
        // is the call's own.
        if !code.patterns.is_empty() || code.writes_nodes {
            return Ok(0);
        }
        let SecondArgument { value, texts, end } = self.second(compiler, occasion, argument)?;
        let (run, mut answered) = (self.run.clone(), 0);
        for slot in slots {
            let Ok(row) = u32::try_from(slot.index()) else { break };
            if occasion.scene.cluster.node(*slot).is_none() {
                break;
            }
            // Without dice, a function that rolls them gives up here.
            let said = self.enter((compiler, code), &run, (value::object(NODE, row), value), None, end);
            let is_rejected = match said {
                Ok(bits) => !self.said(bits).keeps && self.store.data().lines.is_empty(),
                Err(Unanswered::Passed(PassedLimit::Time(Overtime::Step), place)) => {
                    return Err(Unanswered::Passed(PassedLimit::Time(Overtime::Step), place));
                }
                Err(_) => false,
            };
            self.store.data_mut().strings.truncate(texts);
            if !is_rejected {
                break;
            }
            answered += 1;
        }
        Ok(answered)
    }

    /// Brings nodes and request up to date, and returns the second argument of a function of one node.
    fn second(
        &mut self,
        compiler: &ModuleCompiler,
        occasion: Occasion<'_>,
        argument: Argument<'_>,
    ) -> Result<SecondArgument, Unanswered> {
        let scene = occasion.scene;
        if self.tell(compiler, scene.cluster)? {
            self.asked = None;
        }
        self.store.data_mut().most_lines = occasion.log_lines;
        self.store.data_mut().moment = scene.asked.map(|asked| asked.moment.clone());
        let (texts, end) = (self.store.data().strings.len(), self.table.end());
        Ok(match argument {
            Argument::Nothing => SecondArgument { value: value::UNDEFINED, texts, end },
            Argument::Key(key) => SecondArgument { value: self.key(key)?, texts, end },
            Argument::Request => {
                let Some(asked) = scene.asked else { return Err(Unanswered::Bailed(BailCause::Throws)) };
                let (texts, end) = self.request(occasion.number, &asked, scene.cluster)?;
                SecondArgument { value: value::object(super::paths::REQUEST, REQUEST_AT), texts, end }
            }
        })
    }

    /// Tells the table what has changed. Where that is much, it is work of the engine's own: the script's clock stands
    /// still meanwhile.
    pub(super) fn tell(&mut self, compiler: &ModuleCompiler, cluster: &Cluster) -> Result<bool, Full> {
        if self.table.is_near(&self.store, cluster) {
            return self.table.tell(&mut self.store, cluster);
        }
        compiler.alarm().own_work(|| self.table.tell(&mut self.store, cluster))
    }

    /// Whether the last call left more memory behind than an instance may keep.
    pub(super) fn is_swollen(&self) -> bool {
        self.memory.data_size(&self.store) > KEPT_BYTES + self.table.end() as usize
    }

    /// Writes the request of a run down, unless it is there.
    fn request(&mut self, run: u64, asked: &ScriptRequest<'_>, cluster: &Cluster) -> Result<(usize, u32), Unanswered> {
        if let Some((known, texts, end)) = self.asked
            && known == run
        {
            return Ok((texts, end));
        }
        self.table.forget_request(&mut self.store);
        let end = self.table.ask(&mut self.store, asked, cluster, None)?;
        let texts = self.store.data().strings.len();
        self.asked = Some((run, texts, end));
        Ok((texts, end))
    }

    fn key(&mut self, key: &Value) -> Result<u64, Unanswered> {
        Ok(match key {
            Value::Null => value::NULL,
            Value::Bool(flag) => value::flag(*flag),
            Value::Number(number) => value::number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => value::text(self.store.data_mut().strings.intern(text)),
            Value::Array(_) | Value::Object(_) => return Err(Unanswered::Bailed(BailCause::Kind)),
        })
    }

    /// Runs the function `run` of the module.
    pub(super) fn enter(
        &mut self,
        (compiler, code): (&ModuleCompiler, &CompiledCode),
        run: &Entry,
        (first, second): (u64, u64),
        dice: Option<Dice>,
        end: u32,
    ) -> Result<u64, Unanswered> {
        for _ in 0..TRIES {
            let surroundings = self.store.data_mut();
            (surroundings.dice, surroundings.cause) = (dice.clone(), None);
            surroundings.dictionaries.clear();
            surroundings.lines.clear();
            surroundings.thrown = None;
            self.store.set_epoch_deadline(1);
            let _set = self.top.set(&mut self.store, WasmVal::I32(end.next_multiple_of(8) as i32));
            let _set = self.cause.set(&mut self.store, WasmVal::I32(0));
            let said = match run {
                Entry::One(run) => run.call(&mut self.store, first as i64),
                Entry::Two(run) => run.call(&mut self.store, (first as i64, second as i64)),
            };
            match said {
                Ok(bits) => return Ok(bits as u64),
                Err(error) if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) => {
                    if let Some(overtime) = compiler.alarm.overtime() {
                        return Err(Unanswered::Passed(PassedLimit::Time(overtime), code.place(&error)));
                    }
                }
                Err(error) => {
                    if let Some(thrown) = self.store.data_mut().thrown.take()
                        && let Some(place) = self.throws.get(thrown.place)
                    {
                        return Err(Unanswered::Thrown(place.clone(), thrown.place, thrown.message));
                    }
                    let number = self.cause.get(&mut self.store).i32().unwrap_or_default();
                    return Err(match self.store.data().cause.unwrap_or_else(|| BailCause::of(number)) {
                        BailCause::Length => Unanswered::Passed(PassedLimit::Length, code.place(&error)),
                        cause => Unanswered::Bailed(cause),
                    });
                }
            }
        }
        Err(Unanswered::Bailed(BailCause::Kind))
    }

    pub(super) fn text(&self, number: u32) -> Option<&str> {
        self.store.data().strings.get(number).map(|text| &**text)
    }

    pub(super) fn is_truthy(&self, kind: Kind) -> bool {
        match kind {
            Kind::Undefined | Kind::Null | Kind::Unknown => false,
            Kind::Flag(flag) => flag,
            Kind::Number(number) => number != 0.0 && !number.is_nan(),
            Kind::Text(number) => self.text(number).is_some_and(|text| !text.is_empty()),
            Kind::List(_) | Kind::Object(..) | Kind::Dictionary(_) => true,
        }
    }

    fn said(&self, bits: u64) -> Said {
        let kind = kind(bits);
        let score = match kind {
            Kind::Number(number) if number.is_nan() => Some(Score::LeftOut),
            Kind::Number(number) => Some(Score::Number(number)),
            Kind::Undefined | Kind::Null | Kind::Flag(false) => Some(Score::LeftOut),
            _ => None,
        };
        Said { keeps: self.is_truthy(kind), score }
    }
}

/// The second argument of a function of one node, as it was written down for compiled code.
struct SecondArgument {
    value: u64,
    /// The number of texts that outlive the call.
    texts: usize,
    /// Where the memory of the call begins.
    end: u32,
}

/// What a function of one node said: as a filter, and as a score, where it is one.
pub(in super::super) struct Said {
    pub(in super::super) keeps: bool,
    pub(in super::super) score: Option<Score>,
}
