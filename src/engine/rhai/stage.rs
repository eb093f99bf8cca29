//! What a script's surroundings are while it runs: chance, its log, the nodes it wrote to, and when to stop it.
//!
//! Rhai's functions outlive any request, so they share this; it is set before each call and cleared after it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::{ASTNode, Dynamic, EvalAltResult, Map};

use crate::clock::{Alarm, Dice, Overtime};
use crate::engine::words::NOT_PURE;
use crate::model::SlotIndex;
use crate::model::diagnosis::LogLevel;
use crate::script::{LogBook, ScriptLimits};

use super::coverage::NodeCounter;

/// After how many operations the alarm is heard. One of them may look through the largest list there is.
const HEARD_EVERY: u32 = 8;
/// Operations that a call may make: seconds of them, because it is time that counts. They end what no alarm watches over.
const MAX_OPERATIONS: u64 = 100_000_000;

/// The surroundings of the call that is running.
pub(super) struct Stage {
    limits: ScriptLimits,
    alarm: Rc<dyn Alarm>,
    dice: RefCell<Option<Dice>>,
    /// Operations until the next look at the alarm, and looks until the script has made too many.
    ///
    /// Counted here: what a closure does inside of `filter` and the like, Rhai forgets when it returns.
    until_look: Cell<u32>,
    looks_left: Cell<u64>,
    stopped: Cell<Option<Stop>>,
    lines: RefCell<Vec<(LogLevel, String)>>,
    /// What the script set on nodes, by their slots.
    writes: RefCell<BTreeMap<usize, Map>>,
    has_writes: Cell<bool>,
    /// Counts what runs of the script whose call is on its way, where that is asked for.
    counter: RefCell<Option<Rc<NodeCounter>>>,
}

/// Why a script was stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// It made more operations than this.
    Operations(u64),
    /// The alarm rang.
    Overtime(Overtime),
}

impl Stage {
    pub(super) fn new(limits: ScriptLimits, alarm: Rc<dyn Alarm>) -> Self {
        Self {
            limits,
            alarm,
            dice: RefCell::default(),
            until_look: Cell::default(),
            looks_left: Cell::default(),
            stopped: Cell::default(),
            lines: RefCell::default(),
            writes: RefCell::default(),
            has_writes: Cell::default(),
            counter: RefCell::default(),
        }
    }

    pub(super) fn limits(&self) -> &ScriptLimits {
        &self.limits
    }

    /// Sets the scene; a pure call has no dice.
    pub(super) fn set(&self, dice: Option<Dice>) {
        *self.dice.borrow_mut() = dice;
        self.until_look.set(HEARD_EVERY);
        self.looks_left.set(MAX_OPERATIONS / u64::from(HEARD_EVERY));
        self.stopped.set(None);
        self.forget_writes();
    }

    /// Counts with `counter` from now on.
    pub(super) fn count_with(&self, counter: Option<Rc<NodeCounter>>) {
        *self.counter.borrow_mut() = counter;
    }

    /// Counts that `node` of the running script is evaluated.
    pub(super) fn reached(&self, node: ASTNode<'_>) {
        if let Some(counter) = &*self.counter.borrow() {
            counter.reached(node);
        }
    }

    /// Counts an operation; what it returns ends the script.
    pub(super) fn progress(&self) -> Option<Dynamic> {
        match self.until_look.get().checked_sub(1) {
            Some(left) => {
                self.until_look.set(left);
                None
            }
            None => self.look(),
        }
    }

    fn look(&self) -> Option<Dynamic> {
        self.until_look.set(HEARD_EVERY);
        let stop = match self.looks_left.get().checked_sub(1) {
            Some(left) => {
                self.looks_left.set(left);
                Stop::Overtime(self.alarm.rings()?)
            }
            None => Stop::Operations(MAX_OPERATIONS),
        };
        self.stopped.set(Some(stop));
        self.alarm.heard();
        Some(Dynamic::UNIT)
    }

    /// Why the script was stopped, where it was.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.stopped.get()
    }

    /// The next random number.
    pub(super) fn roll(&self) -> Result<f64, Box<EvalAltResult>> {
        let mut dice = self.dice.borrow_mut();
        dice.as_mut().map(Dice::unit).ok_or_else(|| format!("`random` {NOT_PURE}").into())
    }

    /// Whether the call has no request.
    pub(super) fn is_pure(&self) -> bool {
        self.dice.borrow().is_none()
    }

    /// Notes a line; past the limit of lines only as many as make the log book say so.
    pub(super) fn log(&self, level: LogLevel, text: &str) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() <= self.limits.log_lines {
            lines.push((level, self.limits.cut(text)));
        }
    }

    /// Hands the lines to `book`.
    pub(super) fn flush(&self, book: &LogBook) {
        for (level, text) in self.lines.borrow_mut().drain(..) {
            book.write(level, &text);
        }
    }

    /// Sets `name` on the node in `slot`, for this call alone.
    pub(super) fn write(&self, slot: SlotIndex, name: &str, value: Dynamic) {
        self.has_writes.set(true);
        self.writes.borrow_mut().entry(slot.index()).or_default().insert(name.into(), value);
    }

    /// What the script set as `name` on the node in `slot`.
    pub(super) fn written(&self, slot: SlotIndex, name: &str) -> Option<Dynamic> {
        if !self.has_writes.get() {
            return None;
        }
        self.writes.borrow().get(&slot.index())?.get(name).cloned()
    }

    /// All that the script set on the node in `slot`.
    pub(super) fn all_written(&self, slot: SlotIndex) -> Option<Map> {
        if !self.has_writes.get() {
            return None;
        }
        self.writes.borrow().get(&slot.index()).cloned()
    }

    /// Forgets what the script set on nodes.
    pub(super) fn forget_writes(&self) {
        if self.has_writes.replace(false) {
            self.writes.borrow_mut().clear();
        }
    }
}
