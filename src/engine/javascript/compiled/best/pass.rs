//! Follows a pass of a loop over the nodes with symbols for the values, and finds the ways through the pass: each with
//! the conditions that lead there, and with the values of the variables at the end.
//!
//! A pass is divided into ways by conditions on the best node so far, and by steps that leave the pass early. All other
//! branches and loops are followed as a whole; where two values of a variable meet, the variable gets a new symbol.

use std::collections::{BTreeMap, BTreeSet};

use super::super::host_calls::HostCall;
use super::super::ir::{Ex, Label, Local, Piece, St, Unary, walk};
use super::symbols::{Folding, Symbol, has_symbol, mentions, truth_of, with_parts};
use super::{Refusal, Res, is_timeless};

/// More ways than these are not followed.
const MAX_WAYS: usize = 64;
/// More expressions than these are not looked at in a pass.
const MAX_EVENTS: usize = 512;

/// Where a way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// To the next step, or to the end of the pass.
    Next,
    /// Out of the block with this label.
    To(Label),
    /// Out of compiled code.
    Bail,
}

/// A way through a pass.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The conditions that were asked, with the answers.
    pub(super) conditions: Vec<(Ex, bool)>,
    /// The values of the variables that the pass sets.
    pub(super) values: BTreeMap<Local, Ex>,
    /// Everything that was evaluated.
    pub(super) events: Vec<Ex>,
    /// The lists that got the element.
    pub(super) pushed: Vec<usize>,
    pub(super) flow: Flow,
}

/// What is known of the variables around a loop.
pub(super) struct Pass<'a> {
    pub(super) folding: Folding<'a>,
    /// The variables that a pass sets.
    pub(super) set: &'a BTreeSet<Local>,
    /// The variables in `set` with values that go on to the next pass and beyond.
    pub(super) carried: &'a BTreeSet<Local>,
    /// The values of other variables.
    pub(super) around: &'a BTreeMap<Local, Ex>,
    /// The symbols made so far.
    pub(super) made: usize,
}

/// The variables at a point of steps that are followed as a whole.
pub(super) type Values = BTreeMap<Local, Ex>;

impl Pass<'_> {
    /// The ways through `steps`, whose place is the variable `counter`.
    pub(super) fn ways(&mut self, steps: &[St], counter: Local) -> Res<Vec<Way>> {
        let start = Way {
            conditions: Vec::new(),
            values: BTreeMap::from([(counter, Symbol::Place.ex())]),
            events: Vec::new(),
            pushed: Vec::new(),
            flow: Flow::Next,
        };
        self.steps(steps, start)
    }

    fn steps(&mut self, steps: &[St], way: Way) -> Res<Vec<Way>> {
        let (mut live, mut ended) = (vec![way], Vec::new());
        for step in steps {
            let mut next = Vec::new();
            for way in live {
                for way in self.step(step, way)? {
                    if way.flow == Flow::Next { next.push(way) } else { ended.push(way) }
                }
            }
            live = next;
            if live.len() + ended.len() > MAX_WAYS {
                return Err(Refusal("so many ways through a loop"));
            }
        }
        ended.extend(live);
        Ok(ended)
    }

    fn step(&mut self, step: &St, mut way: Way) -> Res<Vec<Way>> {
        if way.events.len() > MAX_EVENTS {
            return Err(Refusal("so much in a loop"));
        }
        match step {
            St::Set(local, value) => self.set(*local, value, way),
            St::Eval(Ex::Host(HostCall::Throw, parts)) => {
                for part in parts {
                    let part = self.value(part, &mut way.values)?;
                    way.events.push(part);
                }
                way.flow = Flow::Bail;
                Ok(vec![way])
            }
            St::Eval(value) => {
                let value = self.value(value, &mut way.values)?;
                way.events.push(value);
                Ok(vec![way])
            }
            St::Bail(_) => {
                way.flow = Flow::Bail;
                Ok(vec![way])
            }
            St::Break(label) => {
                way.flow = Flow::To(*label);
                Ok(vec![way])
            }
            St::Push(list, item) => self.push(list, item, way),
            St::If(..) | St::Block(..) | St::Loop(..) if self.is_whole(step) => {
                self.follow(std::slice::from_ref(step), &mut way.values)?;
                let event = self.opaque();
                way.events.push(event);
                Ok(vec![way])
            }
            St::If(condition, yes, no) => {
                let condition = self.value(condition, &mut way.values)?;
                let mut ways = Vec::new();
                for (truth, way) in self.branch(&condition, way)? {
                    ways.extend(self.steps(if truth { yes } else { no }, way)?);
                }
                Ok(ways)
            }
            St::Block(label, steps) => {
                let mut ways = self.steps(steps, way)?;
                for way in &mut ways {
                    if way.flow == Flow::To(*label) {
                        way.flow = Flow::Next;
                    }
                }
                Ok(ways)
            }
            _ => Err(Refusal("a step that changes something")),
        }
    }

    /// The ways on which the variable `local` is set to `value`.
    fn set(&mut self, local: Local, value: &Ex, mut way: Way) -> Res<Vec<Way>> {
        let value = self.value(value, &mut way.values)?;
        let mut ways = Vec::new();
        for (value, mut way) in self.choices(value, way)? {
            way.events.push(value.clone());
            way.values.insert(local, value);
            ways.push(way);
        }
        Ok(ways)
    }

    /// The way on which `item` is added to `list`: the element to a list that the loop makes, or anything to a list of
    /// the pass itself.
    fn push(&mut self, list: &Ex, item: &Ex, mut way: Way) -> Res<Vec<Way>> {
        let list = self.value(list, &mut way.values)?;
        let item = self.value(item, &mut way.values)?;
        match Symbol::of(&list) {
            Some(Symbol::Address(list)) if item == Symbol::Item.ex() => way.pushed.push(list),
            Some(Symbol::Fresh(_)) => way.events.push(item),
            _ => return Err(Refusal("a list that grows")),
        }
        Ok(vec![way])
    }

    /// The ways of a value that is chosen by the best so far.
    fn choices(&mut self, value: Ex, way: Way) -> Res<Vec<(Ex, Way)>> {
        let Ex::If(condition, yes, no) = &value else { return Ok(vec![(value, way)]) };
        if !mentions(&value, |local| self.carried.contains(&local)) {
            return Ok(vec![(value, way)]);
        }
        let mut all = Vec::new();
        for (truth, way) in self.branch(condition, way)? {
            all.extend(self.choices(if truth { (**yes).clone() } else { (**no).clone() }, way)?);
        }
        Ok(all)
    }

    /// The ways of a condition, which is folded.
    fn branch(&mut self, condition: &Ex, mut way: Way) -> Res<Vec<(bool, Way)>> {
        if let Some(truth) = truth_of(condition) {
            return Ok(vec![(truth, way)]);
        }
        match condition {
            Ex::Un(Unary::Not, inner) => {
                let ways = self.branch(inner, way)?;
                Ok(ways.into_iter().map(|(truth, way)| (!truth, way)).collect())
            }
            Ex::If(first, yes, no) => {
                let mut all = Vec::new();
                for (truth, way) in self.branch(first, way)? {
                    all.extend(self.branch(if truth { yes } else { no }, way)?);
                }
                Ok(all)
            }
            _ => {
                if let Some((_, truth)) = way.conditions.iter().find(|(asked, _)| asked == condition) {
                    return Ok(vec![(*truth, way)]);
                }
                way.events.push(condition.clone());
                let mut other = way.clone();
                way.conditions.push((condition.clone(), true));
                other.conditions.push((condition.clone(), false));
                Ok(vec![(true, way), (false, other)])
            }
        }
    }

    pub(super) fn opaque(&mut self) -> Ex {
        self.made += 1;
        Symbol::Opaque(self.made).ex()
    }

    fn fresh(&mut self) -> Ex {
        self.made += 1;
        Symbol::Fresh(self.made).ex()
    }

    /// What the variable `local` is.
    fn variable(&self, local: Local, values: &Values) -> Res<Ex> {
        let known = match values.get(&local) {
            Some(value) => value.clone(),
            None if self.carried.contains(&local) => Ex::Get(local),
            None if self.set.contains(&local) => Symbol::Unset.ex(),
            None => match self.around.get(&local) {
                Some(value) => value.clone(),
                None => return Err(Refusal("a loop that depends on the request")),
            },
        };
        if known == Symbol::Unset.ex() { Err(Refusal("a variable of the pass before")) } else { Ok(known) }
    }

    /// `ex` over symbols; variables that it sets on its way come to `values`.
    pub(super) fn value(&mut self, ex: &Ex, values: &mut Values) -> Res<Ex> {
        let value = match ex {
            Ex::Get(local) => return self.variable(*local, values),
            Ex::Do(steps, result) => {
                if steps.iter().any(|step| self.touches_best(step)) {
                    self.simple(steps, values)?;
                } else {
                    self.follow(steps, values)?;
                }
                return self.value(result, values);
            }
            Ex::If(condition, yes, no) => {
                let condition = self.value(condition, values)?;
                if let Some(truth) = truth_of(&condition) {
                    return self.value(if truth { yes } else { no }, values);
                }
                let (mut own, mut other) = (values.clone(), values.clone());
                let yes = self.value(yes, &mut own)?;
                let no = self.value(no, &mut other)?;
                *values = self.meet(own, other);
                Ex::If(Box::new(condition), Box::new(yes), Box::new(no))
            }
            Ex::Record(_, fields) => {
                for (_, field) in fields {
                    self.value(field, values)?;
                }
                return Ok(self.fresh());
            }
            Ex::Un(Unary::NewList, _) => return Ok(self.fresh()),
            Ex::Written(..) => return Err(Refusal("members written into nodes")),
            Ex::Host(call, _) if !is_timeless(*call) => {
                return Err(Refusal("a call that depends on more than the node"));
            }
            _ => {
                let mut failed = None;
                let value = with_parts(ex, &mut |part| match self.value(part, values) {
                    Ok(part) => part,
                    Err(refusal) => {
                        failed = Some(refusal);
                        Ex::Bool(false)
                    }
                });
                match failed {
                    Some(refusal) => return Err(refusal),
                    None => value,
                }
            }
        };
        let value = self.folding.fold(value);
        let is_request = |symbol| {
            use Symbol as S;
            matches!(symbol, S::Request | S::List(_) | S::First(_) | S::Address(_) | S::Length(_))
        };
        if Symbol::of(&value).is_none() && has_symbol(&value, is_request) {
            return Err(Refusal("a loop that depends on the request"));
        }
        // What is read of something that may change is a value of that moment.
        let is_fresh = |symbol| matches!(symbol, Symbol::Fresh(_));
        let is_itself =
            matches!(&value, Ex::Un(Unary::FromList | Unary::AsList, inner) if Symbol::of(inner).is_some_and(is_fresh));
        if Symbol::of(&value).is_none() && !is_itself && has_symbol(&value, is_fresh) {
            return Ok(self.opaque());
        }
        Ok(value)
    }

    /// Steps within an expression about the best so far: variables that are set once, and checks.
    fn simple(&mut self, steps: &[St], values: &mut Values) -> Res<()> {
        for step in steps {
            match step {
                St::Set(local, value) if !self.carried.contains(local) => {
                    let value = self.value(value, values)?;
                    values.insert(*local, value);
                }
                St::If(condition, yes, no)
                    if [yes, no].iter().all(|steps| matches!(steps.as_slice(), [] | [St::Bail(_)])) =>
                {
                    self.value(condition, values)?;
                }
                _ => return Err(Refusal("steps about the best so far")),
            }
        }
        Ok(())
    }

    /// Whether `step` mentions the best so far.
    fn touches_best(&self, step: &St) -> bool {
        let mut found = false;
        walk(std::slice::from_ref(step), &mut |piece| {
            found |= match piece {
                Piece::Value(Ex::Get(local)) | Piece::Step(St::Set(local, _)) => self.carried.contains(local),
                _ => false,
            };
        });
        found
    }

    /// Whether `step` can be followed as a whole: it neither mentions the best so far nor leads out of itself, and adds
    /// no node to a list.
    fn is_whole(&self, step: &St) -> bool {
        let (mut own, mut left, mut is_whole) = (BTreeSet::new(), BTreeSet::new(), !self.touches_best(step));
        walk(std::slice::from_ref(step), &mut |piece| match piece {
            Piece::Step(St::Block(label, _) | St::Loop(label, _)) => drop(own.insert(*label)),
            Piece::Step(St::Break(label) | St::Continue(label)) => drop(left.insert(*label)),
            Piece::Step(St::Push(Ex::Get(list), _)) => {
                is_whole &=
                    !self.around.get(list).is_some_and(|known| matches!(Symbol::of(known), Some(Symbol::Address(_))));
            }
            Piece::Value(Ex::Host(HostCall::Throw, _)) => is_whole = false,
            _ => {}
        });
        is_whole && left.is_subset(&own)
    }
}

/// The variables that `steps` set.
pub(super) fn set_in(steps: &[St]) -> BTreeSet<Local> {
    let mut set = BTreeSet::new();
    walk(steps, &mut |piece| {
        if let Piece::Step(St::Set(local, _)) = piece {
            set.insert(*local);
        }
    });
    set
}
