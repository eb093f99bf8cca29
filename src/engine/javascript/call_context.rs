//! The context of a running script: time, random numbers and log. All of them come from the
//! [`CallContext`](crate::script::CallContext).
//!
//! Boa asks the host for the clock and the time zone through traits that outlive any request; so the context is set
//! before each call and cleared afterwards.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use boa_engine::context::time::JsInstant;
use boa_engine::context::{Clock, HostHooks};
use boa_engine::error::PanicError;
use boa_engine::realm::Realm;
use boa_engine::{Context, JsError, JsNativeError, JsObject, JsResult, JsString};
use jiff::tz::TimeZone;

use crate::clock::{Alarm, Dice, offset_s, wall_offset_s};
use crate::engine::words::USE_AN_EXECUTABLE;
use crate::model::diagnosis::LogLevel;
use crate::script::{LogBook, ScriptLimits};

use super::console::ConsoleState;

/// A part of the input that is left out until a script reads that part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Omission {
    /// A field that the source does not name.
    Field,
    /// The sessions of the user.
    UserSessions,
}

/// The context of the running call.
pub(super) struct JavaScriptCallContext {
    zone: TimeZone,
    limits: ScriptLimits,
    alarm: Rc<dyn Alarm>,
    now_ms: Cell<Option<i64>>,
    dice: RefCell<Option<Dice>>,
    clock_misused: Cell<bool>,
    engine_gave_up: Cell<bool>,
    omission: Cell<Option<Omission>>,
    lines: RefCell<Vec<(LogLevel, String)>>,
    /// The counters, timers and groups of the run with the current call.
    console: RefCell<ConsoleState>,
    /// The number of UTC offsets that the engine asks for before the offsets of local times; `None` where no local time
    /// is expected.
    wall: Cell<Option<u8>>,
    /// Whether the running script may reach the global object.
    shows_globals: Cell<bool>,
}

impl JavaScriptCallContext {
    pub(super) fn new(zone: TimeZone, limits: ScriptLimits, alarm: Rc<dyn Alarm>) -> Self {
        Self {
            zone,
            limits,
            alarm,
            now_ms: Cell::default(),
            dice: RefCell::default(),
            clock_misused: Cell::default(),
            engine_gave_up: Cell::default(),
            omission: Cell::default(),
            lines: RefCell::default(),
            console: RefCell::default(),
            wall: Cell::default(),
            shows_globals: Cell::default(),
        }
    }

    pub(super) fn limits(&self) -> &ScriptLimits {
        &self.limits
    }

    /// Returns the time zone of scripts.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Announces that the engine asks for `others` offsets of UTC times, and then for offsets of local times; `None`
    /// ends that.
    pub(super) fn expect_wall(&self, others: Option<u8>) {
        self.wall.set(others);
    }

    /// Returns the offset of the time zone at `unix_s`, which is a local time where a local time is expected.
    fn offset_s(&self, unix_s: i64) -> i32 {
        match self.wall.get() {
            Some(0) => wall_offset_s(unix_s, &self.zone),
            others => {
                self.wall.set(others.and_then(|others| others.checked_sub(1)));
                offset_s(unix_s, &self.zone)
            }
        }
    }

    /// Runs `work` on the engine's own account: the script's time stands still meanwhile.
    pub(super) fn own_work<T>(&self, work: impl FnOnce() -> T) -> T {
        self.alarm.own_work(work)
    }

    /// Sets time and random numbers; both are `None` for pure calls.
    pub(super) fn set(&self, now_ms: Option<i64>, dice: Option<Dice>) {
        self.now_ms.set(now_ms);
        self.clock_misused.set(false);
        self.engine_gave_up.set(false);
        self.omission.set(None);
        *self.dice.borrow_mut() = dice;
    }

    /// Takes the random stream back, in the present state.
    pub(super) fn take_dice(&self) -> Option<Dice> {
        self.dice.borrow_mut().take()
    }

    /// Returns the next random number; `None` in a pure call.
    pub(super) fn random(&self) -> Option<f64> {
        self.dice.borrow_mut().as_mut().map(Dice::unit)
    }

    /// Whether a pure call read the clock, which Boa lets no host refuse.
    pub(super) fn clock_misused(&self) -> bool {
        self.clock_misused.get()
    }

    /// Records an error that no script can catch.
    pub(super) fn note(&self, error: &JsError) {
        if error.as_engine().is_some() {
            self.engine_gave_up.set(true);
        }
    }

    /// Whether the engine stopped a script before the end.
    pub(super) fn engine_gave_up(&self) -> bool {
        self.engine_gave_up.get()
    }

    /// Records that a script read a part of the input that was left out; the returned error stops the script, past
    /// every `catch`.
    pub(super) fn stop_at_omission(&self, omission: Omission) -> JsError {
        self.omission.set(Some(omission));
        PanicError::new("a part of the input was left out").into()
    }

    /// Returns the part that the script read, where the script did.
    pub(super) fn omission(&self) -> Option<Omission> {
        self.omission.get()
    }

    /// Reads or changes the counters, timers and groups of the run.
    pub(super) fn console<T>(&self, act: impl FnOnce(&mut ConsoleState) -> T) -> T {
        act(&mut self.console.borrow_mut())
    }

    /// Sets whether the next script may reach the global object by `Function('return this')`.
    pub(super) fn show_globals(&self, shows: bool) {
        self.shows_globals.set(shows);
    }

    /// Whether the script may reach the global object that way.
    pub(super) fn shows_globals(&self) -> bool {
        self.shows_globals.get()
    }

    /// Records a line; past the limit of lines only as many as make the log book report the cut.
    pub(super) fn log(&self, level: LogLevel, text: &str) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() <= self.limits.log_lines {
            lines.push((level, self.limits.cut(text)));
        }
    }

    /// Whether more lines would be dropped.
    pub(super) fn log_is_full(&self) -> bool {
        self.lines.borrow().len() > self.limits.log_lines
    }

    /// Passes the lines to `book`.
    pub(super) fn flush(&self, book: &LogBook) {
        for (level, text) in self.lines.borrow_mut().drain(..) {
            book.write(level, &text);
        }
    }

    /// Drops the lines of a call that is repeated.
    pub(super) fn forget_lines(&self) {
        self.lines.borrow_mut().clear();
    }
}

impl Clock for JavaScriptCallContext {
    fn now(&self) -> JsInstant {
        JsInstant::new(0, 0)
    }

    fn system_time_millis(&self) -> i64 {
        self.now_ms.get().unwrap_or_else(|| {
            self.clock_misused.set(true);
            0
        })
    }
}

/// The hooks through which Boa asks the host.
pub(super) struct Hooks(pub(super) Rc<JavaScriptCallContext>);

impl HostHooks for Hooks {
    fn ensure_can_compile_strings(
        &self,
        _realm: Realm,
        _parameters: &[JsString],
        _body: &JsString,
        direct: bool,
        _context: &mut Context,
    ) -> JsResult<()> {
        let name = if direct { "`eval`" } else { "`eval` and `Function`" };
        let message =
            format!("{name}: running text as code is not available in a balancer script: {USE_AN_EXECUTABLE}");
        Err(JsNativeError::eval().with_message(message).into())
    }

    /// A private name could mark frozen objects, which outlive the call.
    fn ensure_can_add_private_element(&self, object: &JsObject, context: &mut Context) -> JsResult<()> {
        if object.is_extensible(context)? {
            return Ok(());
        }
        Err(JsNativeError::typ().with_message("cannot add a private name to an object that is not extensible").into())
    }

    fn local_timezone_offset_seconds(&self, unix_time_seconds: i64) -> i32 {
        self.0.offset_s(unix_time_seconds)
    }

    fn max_buffer_size(&self, _context: &mut Context) -> u64 {
        64 << 20
    }
}
