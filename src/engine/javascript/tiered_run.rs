//! One run of a script of which a function is compiled: compiled code answers, or Boa does.

use std::sync::Arc;

use crate::clock::Overtime;
use crate::model::diagnosis::LogLevel;
use crate::model::{LimitKind, Position, SlotIndex, Thrown};
use crate::script::{Argument, Call, CallAnswer, CallContext, NodeFunction, Run, Score, ScriptError, time_message};

use super::compiled::{
    BailCause, Compiled, MAX_LIST_ELEMENTS, ModuleCompiler, Occasion, PassedLimit, Scope, Tier, Tiers, Unanswered,
};
use super::program::JavaScriptProgram;
use super::run::JavaScriptRun;
use super::thrown::with_hint;

/// A call that compiled code answered in so many microseconds at most is compared with Boa: Boa may take some hundred
/// times as long, and cannot be stopped.
const COMPARED_US: u64 = 500;

/// A run of a script.
pub(super) struct TieredRun<'a> {
    program: &'a JavaScriptProgram,
    tiers: &'a Tiers,
    compiler: &'a ModuleCompiler,
    occasion: Occasion<'a>,
    /// Boa's run, where it was needed.
    boa: Option<JavaScriptRun<'a>>,
}

impl<'a> TieredRun<'a> {
    /// A run, where compiled code may answer in it.
    ///
    /// # Errors
    /// What the top level threw in Boa, where that has to run first.
    pub(super) fn open(program: &'a JavaScriptProgram, scene: CallContext<'a>) -> Result<Option<Self>, ScriptError> {
        let Some((compiler, tiers)) = program.compiled() else { return Ok(None) };
        let is_active = tiers.each().any(|(_, tier)| tier.active().is_some());
        let is_whole = program.is_whole_list();
        // What a top level leaves behind for the next call is Boa's to keep.
        if !is_active || !(is_whole || program.is_stateless()) {
            return Ok(None);
        }
        let occasion = Occasion { number: compiler.next_run(), scene, log_lines: program.limits().log_lines };
        let mut run = Self { program, tiers, compiler, occasion, boa: None };
        // An error of the top level is no error of a call about one node.
        if !(is_whole && tiers.has_quiet_top || program.is_stateless() && program.has_kept_functions()?) {
            run.boa = Some(JavaScriptRun::open(program, scene)?);
        }
        Ok(Some(run))
    }

    /// Boa's answer.
    fn ask_boa(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        let session = match &mut self.boa {
            Some(session) => session,
            none => none.insert(JavaScriptRun::open(self.program, self.occasion.scene)?),
        };
        session.call(call)
    }

    /// The compiled code that `call` asks, where it still answers.
    fn compiled(&self, call: Call<'_>) -> Option<&'a Compiled> {
        match call {
            Call::Balance(_) => self.tiers.whole.as_ref().and_then(Tier::active),
            Call::Key => None,
            Call::Filter(..) => self.tiers.of(NodeFunction::Filter),
            Call::Score(..) => self.tiers.of(NodeFunction::Score),
        }
    }

    /// What compiled code says; nothing where Boa has to be asked.
    fn ask_compiled(
        &self,
        compiled: &Compiled,
        call: Call<'_>,
        scope: Scope,
    ) -> Result<Option<CallAnswer>, Unanswered> {
        let (compiler, occasion) = (self.compiler, self.occasion);
        let about = |candidate, argument: Argument<'_>| {
            compiled.ask(compiler, |machine, code| machine.about((compiler, code), occasion, candidate, argument))
        };
        match call {
            Call::Balance(candidates) => {
                let limits = self.program.limits();
                let returned = compiled.ask(compiler, |machine, code| {
                    machine.balance((compiler, code), occasion, candidates, (scope, limits))
                })?;
                Ok(returned.map(CallAnswer::Returned))
            }
            Call::Key => Ok(None),
            Call::Filter(candidate, argument) => Ok(Some(CallAnswer::Keep(about(candidate, argument)?.keeps))),
            Call::Score(candidate, argument) => Ok(about(candidate, argument)?.score.map(CallAnswer::Score)),
        }
    }

    /// What compiled code says, where one that `is_due` is to be compared: then a function that keeps the best node has to
    /// say the same of all nodes as of that one.
    fn ask_doubly(&self, compiled: &Compiled, call: Call<'_>) -> Result<Option<CallAnswer>, Unanswered> {
        let alone = self.ask_compiled(compiled, call, Scope::Best);
        if !compiled.keeps_best() {
            return alone;
        }
        let lines = compiled.take_lines();
        let all = self.ask_compiled(compiled, call, Scope::All);
        if are_same(&alone, &all) && compiled.has_lines(&lines) {
            return all;
        }
        let cut = |text: String| self.program.limits().cut(&text);
        let (alone, all) = (cut(format!("{alone:?} of the best node")), cut(format!("{all:?} of all nodes")));
        let told = format!(
            "compiled code said {alone}, and {all}: Boa answers, and the function is interpreted from now on; please \
             report this with the script"
        );
        self.occasion.scene.log.write(LogLevel::Warn, &told);
        compiled.differed(alone, all, false);
        Err(Unanswered::Bailed(BailCause::Kind))
    }

    /// The answer of compiled code, which Boa has to say as well now and then.
    fn answer(
        &mut self,
        compiled: &Compiled,
        call: Call<'_>,
        said: Result<CallAnswer, ScriptError>,
        is_compared: bool,
    ) -> Result<CallAnswer, ScriptError> {
        let lines = compiled.take_lines();
        if is_compared {
            return self.check(compiled, call, said);
        }
        for (level, line) in lines {
            self.occasion.scene.log.write(level, &line);
        }
        said
    }

    /// The error that compiled code threw. Boa says where it stands when it is thrown for the first time.
    fn thrown(
        &mut self,
        compiled: &Compiled,
        call: Call<'_>,
        (name, place, message): (&str, usize, &str),
        is_compared: bool,
    ) -> Result<CallAnswer, ScriptError> {
        let limits = self.program.limits();
        let message = limits.cut(&with_hint(name, message.to_owned()));
        let thrown = Thrown { name: name.to_owned(), message };
        if let Some(position) = compiled.thrown_at(place) {
            return self.answer(compiled, call, Err(ScriptError::Thrown(thrown, position)), is_compared);
        }
        let answer = self.ask_boa_instead(call);
        match &answer {
            Err(ScriptError::Thrown(told, position)) if *told == thrown => {
                compiled.learn_thrown(place, position.clone());
            }
            _ => compiled.count(BailCause::Throws),
        }
        answer
    }

    /// Has Boa say the same, in time that is not the script's.
    fn check(
        &mut self,
        compiled: &Compiled,
        call: Call<'_>,
        said: Result<CallAnswer, ScriptError>,
    ) -> Result<CallAnswer, ScriptError> {
        let program = self.program;
        let expected = program.alarm().own_work(|| self.ask_boa(call));
        let is_same = match (&expected, &said) {
            (Ok(expected), Ok(said)) => is_same(expected, said),
            (expected, said) => expected == said,
        };
        if is_same {
            return said;
        }
        let cut = |text: String| program.limits().cut(&text);
        let (ours, boas) = (cut(format!("{said:?}")), cut(format!("{expected:?}")));
        compiled.differed(ours.clone(), boas.clone(), expected.is_err());
        let told = format!(
            "compiled code said {ours}, Boa {boas}: Boa's answer counts, and the function is interpreted from now \
             on; please report this with the script"
        );
        self.occasion.scene.log.write(LogLevel::Warn, &told);
        expected
    }
}

/// Whether compiled code said the same both times, as far as it answered.
fn are_same(left: &Result<Option<CallAnswer>, Unanswered>, right: &Result<Option<CallAnswer>, Unanswered>) -> bool {
    use Unanswered::Thrown;
    match (left, right) {
        (Ok(left), Ok(right)) => left == right,
        (Err(Thrown(_, left, own)), Err(Thrown(_, right, other))) => (left, own) == (right, other),
        (Err(Thrown(..)), Ok(_)) | (Ok(_), Err(Thrown(..))) => false,
        _ => true,
    }
}

/// Whether two answers are the same, the sign of a score of nothing included.
fn is_same(left: &CallAnswer, right: &CallAnswer) -> bool {
    match (left, right) {
        (CallAnswer::Score(Score::Number(left)), CallAnswer::Score(Score::Number(right))) => {
            left.to_bits() == right.to_bits()
        }
        _ => left == right,
    }
}

impl TieredRun<'_> {
    /// Boa's answer in place of compiled code's, whose attempt counts for nothing.
    fn ask_boa_instead(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        self.compiler.alarm().begin_anew();
        self.ask_boa(call)
    }

    /// The error of a script that passed `limit` in the loop at `place`: in the words that are said of it where its
    /// worker has to end.
    fn passed(&self, limit: PassedLimit, place: Option<(u32, u32)>, call: Option<Call<'_>>) -> ScriptError {
        let file = self.program.wrapper().file();
        let (kind, message) = match limit {
            PassedLimit::Time(scope) => {
                let node = match call {
                    Some(Call::Filter(candidate, _) | Call::Score(candidate, _)) if scope == Overtime::Call => {
                        self.occasion.scene.cluster.node(candidate.slot)
                    }
                    _ => None,
                };
                let allowed_ms = self.compiler.alarm().allowed_ms(scope).unwrap_or_default();
                (LimitKind::Time, time_message(file, allowed_ms, node.map(|node| &**node.id())))
            }
            PassedLimit::Length => {
                (LimitKind::Memory, format!("step {file} made a list of more than {MAX_LIST_ELEMENTS} elements"))
            }
        };
        match place {
            Some((line, column)) => {
                ScriptError::LimitAt(kind, message, Position { file: Arc::from(file), line, column })
            }
            None => ScriptError::Limit(kind, message),
        }
    }
}

impl Run for TieredRun<'_> {
    fn call(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        let Some(compiled) = self.compiled(call) else { return self.ask_boa(call) };
        let is_due = compiled.is_due(self.program.limits().verify_every);
        let start_us = if is_due { self.compiler.alarm().cpu_us() } else { 0 };
        let is_compared = |own: &Self| is_due && own.compiler.alarm().cpu_us() - start_us <= COMPARED_US;
        let said =
            if is_due { self.ask_doubly(compiled, call) } else { self.ask_compiled(compiled, call, Scope::Best) };
        match said {
            Ok(Some(said)) => self.answer(compiled, call, Ok(said), is_compared(self)),
            Err(Unanswered::Thrown(what, place, message)) => {
                let is_compared = is_compared(self);
                self.thrown(compiled, call, (&what.name, place, &message), is_compared)
            }
            Ok(None) => {
                compiled.count(BailCause::Kind);
                self.ask_boa_instead(call)
            }
            Err(Unanswered::Bailed(_) | Unanswered::Full) => self.ask_boa_instead(call),
            // What it logged is lost, as Boa's lines are with its worker; and Boa would get no further.
            Err(Unanswered::Passed(limit, place)) => Err(self.passed(limit, place, Some(call))),
        }
    }

    fn leading_rejections(&mut self, slots: &[SlotIndex], argument: Argument<'_>) -> Result<usize, ScriptError> {
        let Some(compiled) = self.tiers.of(NodeFunction::Filter) else { return Ok(0) };
        let most = compiled.calls_until_due(self.program.limits().verify_every).min(slots.len());
        let (compiler, occasion) = (self.compiler, self.occasion);
        let slots = slots.get(..most).unwrap_or_default();
        let answered = compiled.ask_many(compiler, |machine, code| {
            machine.leading_rejections((compiler, code), occasion, slots, argument)
        });
        match answered {
            Ok(answered) => Ok(answered),
            Err(Unanswered::Passed(limit, place)) => Err(self.passed(limit, place, None)),
            // A call of its own gives up again, and Boa answers.
            Err(Unanswered::Bailed(_) | Unanswered::Full | Unanswered::Thrown(..)) => Ok(0),
        }
    }
}
