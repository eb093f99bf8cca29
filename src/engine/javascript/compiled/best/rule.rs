//! The rule by which a loop keeps one of its elements, found from the ways through a pass.
//!
//! A pass either leaves the best so far as it is or puts the element in its place, and where there is one already, the
//! two are told apart by a comparison of one figure of each, and by what concerns the element alone. Then the order of
//! these figures decides, and the loop over the whole list comes to the same as over the list of the winner.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ir::{Binary, Ex, Local, Piece, walk_ex};
use super::pass::{Flow, Way};
use super::symbols::{Folding, Symbol, has_symbol, mentions, truth_of};
use super::{KeyOrder, Refusal, Res};

/// The rule of a loop: the element that the loop keeps, and the order by which elements are better.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) order: KeyOrder,
    /// Whether of equal elements the last is kept.
    pub(super) last_wins: bool,
    /// The figure of the element that is kept, over the variables that the loop carries.
    pub(super) key: Ex,
    /// The sign in the loop's variables that the loop kept an element.
    pub(super) kept: Kept,
}

/// The sign that the loop kept an element.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// No sign is needed: the loop always keeps an element.
    Always,
    /// The loop kept an element where this variable holds an object.
    IsObject(Local),
    /// The loop kept an element where the figure differs from this number.
    Above(f64),
}

/// The values of variables before the loop, as expressions over symbols.
pub(super) type Starts = BTreeMap<Local, Ex>;

/// A way through a pass, for a certain best element so far.
#[derive(Debug)]
struct Seen<'a> {
    way: &'a Way,
    /// The conditions on the element alone, with the answers.
    own: Vec<(Ex, bool)>,
    /// The comparison of the element with the best so far, with the answer.
    comparison: Option<(Comparison, bool)>,
}

/// A comparison of a figure of the element with a figure of the best so far.
#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    op: Binary,
    item: Ex,
    /// The other figure, with the element in its place; or a number.
    other: Ex,
    /// The same over the loop's variables.
    raw: Ex,
    /// Whether the element stands on the left.
    is_left: bool,
}

/// Returns the rule that `ways` follow, where the loop's variables hold `starts` before the loop.
pub(super) fn rule(ways: &[Way], starts: &Starts, folding: Folding<'_>) -> Res<Rule> {
    let puts = puts(ways, starts)?;
    let finding = Finding { ways, starts, folding, puts };
    finding.rule()
}

/// Returns the values that each way puts into the loop's variables, apart from ways that change nothing.
fn puts(ways: &[Way], starts: &Starts) -> Res<Starts> {
    let mut puts: Option<Starts> = None;
    for way in ways {
        match way.flow {
            Flow::Next => {}
            Flow::Bail => continue,
            Flow::To(_) => return Err(Refusal("a way out of a loop")),
        }
        if !way.pushed.is_empty() {
            return Err(Refusal("a loop that keeps one element and lists others"));
        }
        if is_kept(way, starts) {
            continue;
        }
        let own: Starts = starts.keys().filter_map(|local| Some((*local, way.values.get(local)?.clone()))).collect();
        if own.len() != starts.len() || puts.as_ref().is_some_and(|puts| *puts != own) {
            return Err(Refusal("more than one best so far"));
        }
        puts = Some(own);
    }
    let puts = puts.ok_or(Refusal("a loop that keeps nothing"))?;
    let is_foreign = |ex: &Ex| {
        mentions(ex, |local| starts.contains_key(&local))
            || has_symbol(ex, |symbol| !matches!(symbol, Symbol::Item | Symbol::Opaque(_)))
    };
    if puts.values().any(is_foreign) {
        return Err(Refusal("a best so far that is made of more than its element"));
    }
    Ok(puts)
}

/// Whether `way` leaves the loop's variables as they are.
fn is_kept(way: &Way, starts: &Starts) -> bool {
    starts.keys().all(|local| way.values.get(local).is_none_or(|value| *value == Ex::Get(*local)))
}

struct Finding<'a> {
    ways: &'a [Way],
    starts: &'a Starts,
    folding: Folding<'a>,
    puts: Starts,
}

impl<'a> Finding<'a> {
    fn rule(&self) -> Res<Rule> {
        let later = self.seen(&|local| self.later(local))?;
        let compared: Vec<&Comparison> =
            later.iter().filter_map(|seen| seen.comparison.as_ref().map(|(comparison, _)| comparison)).collect();
        let Some(comparison) = compared.first().copied() else {
            return Err(Refusal("a loop that compares nothing"));
        };
        if compared.iter().any(|other| *other != comparison) || comparison.item != comparison.other {
            return Err(Refusal("a comparison of more than one figure"));
        }
        let is_put = |seen: &&Seen<'_>| seen.way.flow == Flow::Next && !is_kept(seen.way, self.starts);
        let answers: BTreeSet<Option<bool>> =
            later.iter().filter(is_put).map(|seen| seen.comparison.as_ref().map(|(_, truth)| *truth)).collect();
        let [Some(answer)] = answers.iter().copied().collect::<Vec<_>>()[..] else {
            return Err(Refusal("a best so far that is not always compared"));
        };
        let (order, last_wins) = comparison.order(answer)?;
        let put = ways_of(later.iter().filter(is_put));
        let spared = later.iter().filter(|seen| seen.way.flow == Flow::Next && is_kept(seen.way, self.starts));
        for seen in spared {
            let is_better = seen.comparison.as_ref().is_some_and(|(_, truth)| *truth == answer);
            if put.contains(&seen.own) && (is_better || seen.comparison.is_none()) {
                return Err(Refusal("a comparison that does not decide"));
            }
        }
        let is_first = self.starts.values().all(|start| matches!(Symbol::of(start), Some(Symbol::First(_))));
        let kept = if is_first {
            self.check_first(&later, &put, comparison)?;
            Kept::Always
        } else {
            self.check_start(&later, &put, (comparison, answer), last_wins)?
        };
        let is_foreign = |ex: &Ex| has_symbol(ex, |_| true);
        if is_foreign(&comparison.raw) {
            return Err(Refusal("a figure that is not kept"));
        }
        Ok(Rule { order, last_wins, key: comparison.raw.clone(), kept })
    }

    /// Returns the value of the loop's variable `local` after another element was kept.
    fn later(&self, local: Local) -> Option<Ex> {
        let before = |local: Local| (Symbol::of_local(local) == Some(Symbol::Item)).then(|| Symbol::Before.ex());
        let opaque = |local: Local| matches!(Symbol::of_local(local), Some(Symbol::Opaque(_)));
        let put = self.puts.get(&local)?;
        // A value that is not followed is known by the variable that holds it alone.
        if mentions(put, opaque) { None } else { Some(self.folding.rebuild(put, &before)) }
    }

    /// Returns the ways that can be taken while the loop's variables have the values of `held`.
    fn seen(&self, held: &dyn Fn(Local) -> Option<Ex>) -> Res<Vec<Seen<'a>>> {
        let mut all = Vec::new();
        'ways: for way in self.ways {
            let (mut own, mut comparison) = (Vec::new(), None);
            for (asked, truth) in &way.conditions {
                let is_own = !mentions(asked, |local| self.starts.contains_key(&local));
                let folded = self.folding.rebuild(asked, held);
                match truth_of(&folded) {
                    Some(known) if known == *truth => {}
                    Some(_) => continue 'ways,
                    None if is_own => own.push((folded, *truth)),
                    None if comparison.is_none() => {
                        comparison = Some((self.comparison(asked, &folded)?, *truth));
                    }
                    None => return Err(Refusal("more than one comparison")),
                }
            }
            all.push(Seen { way, own, comparison });
        }
        Ok(all)
    }

    /// Returns the comparison in the condition `asked`, which is `folded` with the values of the variables.
    fn comparison(&self, asked: &Ex, folded: &Ex) -> Res<Comparison> {
        let (Ex::Bin(op, left, right), Ex::Bin(_, own, other)) = (folded, asked) else {
            return Err(Refusal("a question about the best so far that is no comparison"));
        };
        let is_about_item = |ex: &Ex| {
            has_symbol(ex, |symbol| matches!(symbol, Symbol::Item | Symbol::Opaque(_)))
                && !has_symbol(ex, |symbol| symbol == Symbol::Before)
                && !mentions(ex, |local| self.starts.contains_key(&local))
        };
        let (item, value, raw, is_left) = match (is_about_item(left), is_about_item(right)) {
            (true, false) => (left, right, other, true),
            (false, true) => (right, left, own, false),
            _ => return Err(Refusal("a comparison of something else than one figure of each")),
        };
        let item_of = |local: Local| match Symbol::of_local(local) {
            Some(Symbol::Before) => Some(Symbol::Item.ex()),
            // The value that was put into the variable.
            None => self.puts.get(&local).cloned(),
            _ => None,
        };
        let other = self.folding.rebuild(value, &item_of);
        Ok(Comparison { op: *op, item: (**item).clone(), other, raw: (**raw).clone(), is_left })
    }

    /// Checks that a loop which begins with the first element treats that element as all others.
    fn check_first(&self, later: &[Seen<'_>], put: &[Vec<(Ex, bool)>], comparison: &Comparison) -> Res<()> {
        let is_place = |(asked, _): &&(Ex, bool)| has_symbol(asked, |symbol| symbol == Symbol::Place);
        let is_later = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(0)), Box::new(Symbol::Place.ex()));
        for own in put {
            if own.iter().any(|asked| *asked != (is_later.clone(), true)) {
                return Err(Refusal("a first element that is taken whatever it is"));
            }
        }
        let (covered, figures) = (parts([&comparison.item]), parts(self.figures(comparison)));
        for seen in later {
            if seen.own.iter().filter(is_place).any(|(asked, _)| *asked != is_later) {
                return Err(Refusal("the place of an element"));
            }
            if seen.way.flow == Flow::Bail
                || !seen.way.events.iter().all(|event| self.is_covered(event, &covered, &figures))
            {
                return Err(Refusal("a figure that is not looked at first"));
            }
        }
        Ok(())
    }

    /// Checks that the loop takes the first element under the conditions under which later elements are taken. Returns
    /// the sign that an element was kept.
    fn check_start(
        &self,
        later: &[Seen<'_>],
        put: &[Vec<(Ex, bool)>],
        (comparison, answer): (&Comparison, bool),
        last_wins: bool,
    ) -> Res<Kept> {
        if self.folding.walked.is_none_or(|(_, start)| start != 0.0) {
            return Err(Refusal("a loop that leaves the first element out"));
        }
        let is_constant = |start: &Ex| matches!(start, Ex::Const(_) | Ex::Num(_) | Ex::Bool(_));
        if !self.starts.values().all(is_constant) {
            return Err(Refusal("a best so far of which nothing is known"));
        }
        let first = self.seen(&|local| self.starts.get(&local).cloned())?;
        let is_put = |seen: &&Seen<'_>| seen.way.flow == Flow::Next && !is_kept(seen.way, self.starts);
        if ways_of(first.iter().filter(is_put)) != *put {
            return Err(Refusal("a first element that is taken for something else"));
        }
        let mut bound = None;
        for seen in &first {
            let Some((own, truth)) = &seen.comparison else { continue };
            let Ex::Num(number) = own.other else { return Err(Refusal("a comparison with something else at first")) };
            let is_same = (own.op, &own.item, own.is_left) == (comparison.op, &comparison.item, comparison.is_left);
            let is_kept = is_put(&seen);
            if !is_same || number.is_nan() || last_wins || is_kept && *truth != answer {
                return Err(Refusal("another comparison at first"));
            }
            bound = Some(number);
        }
        self.check_covered(later, &first, put, comparison)?;
        let is_item = |(_, put): &(&Local, &Ex)| **put == Symbol::Item.ex();
        match (self.puts.iter().find(is_item), bound) {
            (Some((local, _)), _) => Ok(Kept::IsObject(*local)),
            (None, Some(bound)) => Ok(Kept::Above(bound)),
            (None, None) => Err(Refusal("a best so far that does not show")),
        }
    }

    /// Checks that a pass with a best element evaluates no expression of an element that the pass without a best
    /// element leaves out. So where the probe of an element does not give up, the function does not give up at that
    /// element.
    fn check_covered(
        &self,
        later: &[Seen<'_>],
        first: &[Seen<'_>],
        put: &[Vec<(Ex, bool)>],
        comparison: &Comparison,
    ) -> Res<()> {
        let figures = parts(self.figures(comparison));
        for seen in later {
            if seen.own.iter().any(|(asked, _)| has_symbol(asked, |symbol| symbol == Symbol::Place)) {
                return Err(Refusal("the place of an element"));
            }
            let is_same = |other: &&Seen<'_>| {
                let answers = (other.comparison.as_ref(), seen.comparison.as_ref());
                let is_like = match answers {
                    (Some((_, alone)), Some((_, later))) => alone == later,
                    _ => true,
                };
                other.own == seen.own && other.way.flow == seen.way.flow && is_like
            };
            let Some(alone) = first.iter().find(is_same) else {
                return Err(Refusal("a question that is not asked at first"));
            };
            let mut covered = parts(alone.way.events.iter());
            if put.contains(&seen.own) {
                covered.extend(figures.iter().cloned());
            }
            if let Some((own, _)) = &alone.comparison {
                covered.extend(parts([&own.item]));
            }
            if !seen.way.events.iter().all(|event| self.is_covered(event, &covered, &figures)) {
                return Err(Refusal("a value that is not looked at at first"));
            }
        }
        Ok(())
    }

    /// Returns the expressions that the loop evaluates of each element that is kept.
    fn figures<'b>(&'b self, comparison: &'b Comparison) -> impl Iterator<Item = &'b Ex> {
        self.puts.values().chain([&comparison.item])
    }

    /// Whether evaluating `event` cannot give up where evaluating the `covered` expressions did not. The `figures` of
    /// the best element so far were evaluated when the loop kept that element.
    fn is_covered(&self, event: &Ex, covered: &[Ex], figures: &[Ex]) -> bool {
        let is_about_best = mentions(event, |local| self.starts.contains_key(&local));
        let is_about_item = has_symbol(event, |symbol| matches!(symbol, Symbol::Item | Symbol::Opaque(_)));
        match event {
            Ex::Get(_) | Ex::Const(_) | Ex::Num(_) | Ex::Int(_) | Ex::Bool(_) => true,
            Ex::Bin(Binary::IntLess, left, right) if **left == Ex::Int(0) => **right == Symbol::Place.ex(),
            Ex::Bin(Binary::IntAdd | Binary::Add, left, _) if **left == Symbol::Place.ex() => true,
            _ if !is_about_best => covered.contains(event),
            // The comparison itself is of two numbers.
            Ex::Bin(op, left, right) if is_about_item && is_order(*op) => {
                self.is_covered(left, covered, figures) && self.is_covered(right, covered, figures)
            }
            _ if is_about_item => false,
            _ => {
                let as_item = |local: Local| self.puts.get(&local).cloned();
                let folded = self.folding.rebuild(event, &as_item);
                truth_of(&folded).is_some() || figures.contains(&folded)
            }
        }
    }
}

/// Returns the conditions on the element alone on these ways, in order.
fn ways_of<'a>(seen: impl Iterator<Item = &'a Seen<'a>>) -> Vec<Vec<(Ex, bool)>> {
    let mut all: Vec<_> = Vec::new();
    for seen in seen {
        if !all.contains(&seen.own) {
            all.push(seen.own.clone());
        }
    }
    all.sort_by_key(|own| format!("{own:?}"));
    all
}

/// Returns each expression of `all` with all expressions within.
fn parts<'a>(all: impl IntoIterator<Item = &'a Ex>) -> Vec<Ex> {
    let mut parts = Vec::new();
    for ex in all {
        walk_ex(ex, &mut |piece| {
            if let Piece::Value(ex) = piece {
                parts.push(ex.clone());
            }
        });
    }
    parts
}

/// Whether `op` compares by order.
fn is_order(op: Binary) -> bool {
    use Binary as B;
    matches!(op, B::AnyLess | B::AnyLessEqual | B::AnyGreater | B::AnyGreaterEqual | B::Less)
}

impl Comparison {
    /// Returns the order by which elements are better, where the element is kept when the answer is `answer`; and
    /// whether an equal element is kept too. Whether the figures are numbers is checked when the code runs.
    fn order(&self, answer: bool) -> Res<(KeyOrder, bool)> {
        use Binary as B;
        let (is_less, is_strict) = match self.op {
            B::AnyLess | B::Less => (true, true),
            B::AnyLessEqual => (true, false),
            B::AnyGreater => (false, true),
            B::AnyGreaterEqual => (false, false),
            _ => return Err(Refusal("a comparison that is no order")),
        };
        let (is_less, is_strict) = if answer { (is_less, is_strict) } else { (!is_less, !is_strict) };
        let order = if is_less == self.is_left { KeyOrder::LeastFirst } else { KeyOrder::MostFirst };
        Ok((order, !is_strict))
    }
}
