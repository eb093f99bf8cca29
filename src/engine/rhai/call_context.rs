//! The context of a running script: random numbers, log, properties set on nodes, and the reason to stop.
//!
//! Rhai's functions outlive any request, so they share this context; the context is set before each call and cleared
//! afterwards.

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

/// The number of operations between two looks at the alarm. A single operation may go through the largest possible
/// list.
const POLL_EVERY: u32 = 8;
/// The number of operations that a call may make: worth seconds, because time is the real limit. This limit ends
/// scripts where no alarm is set.
const MAX_OPERATIONS: u64 = 100_000_000;

/// The context of the running call.
pub(super) struct RhaiCallContext {
    limits: ScriptLimits,
    alarm: Rc<dyn Alarm>,
    dice: RefCell<Option<Dice>>,
    /// The number of operations until the next look at the alarm; `polls_left` is the number of looks until the script
    /// has made too many operations.
    ///
    /// Both are counted here: Rhai forgets the operations of a closure inside of `filter` and the like when the closure
    /// returns.
    until_poll: Cell<u32>,
    polls_left: Cell<u64>,
    stopped: Cell<Option<RhaiStop>>,
    lines: RefCell<Vec<(LogLevel, String)>>,
    /// The properties that the script set on nodes, by slot.
    writes: RefCell<BTreeMap<usize, Map>>,
    has_writes: Cell<bool>,
    /// The counter of the script whose call is running, where coverage is wanted.
    counter: RefCell<Option<Rc<NodeCounter>>>,
}

/// The reason why a script was stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum RhaiStop {
    /// The script made more operations than this.
    Operations(u64),
    /// The alarm went off.
    Overtime(Overtime),
}

impl RhaiCallContext {
    pub(super) fn new(limits: ScriptLimits, alarm: Rc<dyn Alarm>) -> Self {
        Self {
            limits,
            alarm,
            dice: RefCell::default(),
            until_poll: Cell::default(),
            polls_left: Cell::default(),
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

    /// Prepares the context for a call; a pure call has no random numbers.
    pub(super) fn set(&self, dice: Option<Dice>) {
        *self.dice.borrow_mut() = dice;
        self.until_poll.set(POLL_EVERY);
        self.polls_left.set(MAX_OPERATIONS / u64::from(POLL_EVERY));
        self.stopped.set(None);
        self.forget_writes();
    }

    /// Sets the counter of the calls from now on.
    pub(super) fn count_with(&self, counter: Option<Rc<NodeCounter>>) {
        *self.counter.borrow_mut() = counter;
    }

    /// Counts that `node` of the running script is evaluated.
    pub(super) fn reached(&self, node: ASTNode<'_>) {
        if let Some(counter) = &*self.counter.borrow() {
            counter.reached(node);
        }
    }

    /// Counts an operation; `Some` ends the script.
    pub(super) fn progress(&self) -> Option<Dynamic> {
        match self.until_poll.get().checked_sub(1) {
            Some(left) => {
                self.until_poll.set(left);
                None
            }
            None => self.poll(),
        }
    }

    fn poll(&self) -> Option<Dynamic> {
        self.until_poll.set(POLL_EVERY);
        let stop = match self.polls_left.get().checked_sub(1) {
            Some(left) => {
                self.polls_left.set(left);
                RhaiStop::Overtime(self.alarm.overtime()?)
            }
            None => RhaiStop::Operations(MAX_OPERATIONS),
        };
        self.stopped.set(Some(stop));
        self.alarm.acknowledge();
        Some(Dynamic::UNIT)
    }

    /// Returns the reason why the script was stopped, where the script was.
    pub(super) fn stopped(&self) -> Option<RhaiStop> {
        self.stopped.get()
    }

    /// Returns the next random number.
    pub(super) fn random(&self) -> Result<f64, Box<EvalAltResult>> {
        let mut dice = self.dice.borrow_mut();
        dice.as_mut().map(Dice::unit).ok_or_else(|| format!("`random` {NOT_PURE}").into())
    }

    /// Whether the call has no request.
    pub(super) fn is_pure(&self) -> bool {
        self.dice.borrow().is_none()
    }

    /// Records a line; past the limit of lines only as many as make the log book report the cut.
    pub(super) fn log(&self, level: LogLevel, text: &str) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() <= self.limits.log_lines {
            lines.push((level, self.limits.cut(text)));
        }
    }

    /// Passes the lines to `book`.
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

    /// Returns the value that the script set as `name` on the node in `slot`.
    pub(super) fn written(&self, slot: SlotIndex, name: &str) -> Option<Dynamic> {
        if !self.has_writes.get() {
            return None;
        }
        self.writes.borrow().get(&slot.index())?.get(name).cloned()
    }

    /// Returns all properties that the script set on the node in `slot`.
    pub(super) fn all_written(&self, slot: SlotIndex) -> Option<Map> {
        if !self.has_writes.get() {
            return None;
        }
        self.writes.borrow().get(&slot.index()).cloned()
    }

    /// Drops the properties that the script set on nodes.
    pub(super) fn forget_writes(&self) {
        if self.has_writes.replace(false) {
            self.writes.borrow_mut().clear();
        }
    }
}
