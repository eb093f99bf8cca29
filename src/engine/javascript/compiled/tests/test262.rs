//! Assertions of test262, the language's own suite, in compiled code: Boa says the same, and both say what the suite says.
//!
//! They stand in `tests/test262/assertions.txt`, which `scripts/tools/test262` writes. What became of each stands before it,
//! and may only become better. With `WHITHER_BLESS` set the file is printed as it should be, without what is not compiled
//! for a cause of which there is another assertion in the same place of the suite: the script writes that down.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use boa_ast::Spanned;
use boa_ast::expression::literal::{Literal, LiteralKind};
use boa_ast::visitor::{VisitWith, Visitor};
use serde_json::{Value, json};

use crate::model::Request;

use super::super::super::analysis::tree::{Tree, parse};
use super::super::super::engine::JavaScript;
use super::super::ir::BailCause;
use super::super::tier::Tier;
use super::world::{Asking, TestDice, TestWorld};
use super::{engine, try_load};

/// What the assertions are written with, as `scripts/tools/test262.mjs` checks them in V8.
const HELPERS: &str = "
function fail() { throw new Error('no'); }
function sameValue(a, b) { if (a === b ? a === 0 && 1 / a !== 1 / b : a === a || b === b) fail(); }
function notSameValue(a, b) { if (a === b ? a !== 0 || 1 / a === 1 / b : a !== a && b !== b) fail(); }
function isTrue(a) { if (a !== true) fail(); }
function compareArray(a, b) {
  if (a.length !== b.length) fail();
  for (let i = 0; i < b.length; i++) sameValue(a[i], b[i]);
}
";
/// So many assertions make one script; where that is not answered by compiled code, each half is asked for itself.
const BATCH: usize = 16;
/// At least so many assertions in a hundred that compiled code answers are answered where their values come in the request.
const PER_CENT_GIVEN: usize = 95;

/// What becomes of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Nobody has tried.
    New,
    /// Boa says that it does not hold, and compiled code does not say otherwise.
    BoaDiffers,
    /// It is not compiled, and holds in Boa.
    Interpreted,
    /// Compiled code gave up, and Boa says that it holds.
    GaveUp,
    /// Compiled code says that it holds, and so does Boa.
    Answered,
}

impl Fate {
    const ALL: [(Self, char); 5] = [
        (Self::New, '?'),
        (Self::BoaDiffers, '!'),
        (Self::Interpreted, '-'),
        (Self::GaveUp, '~'),
        (Self::Answered, '+'),
    ];

    fn letter(self) -> char {
        Self::ALL.into_iter().find(|(fate, _)| *fate == self).unwrap().1
    }
}

/// One assertion.
#[derive(Clone)]
struct Assertion<'a> {
    folder: &'a str,
    file: &'a str,
    code: &'a str,
    recorded: Fate,
}

impl Assertion<'_> {
    /// The part of the suite that the assertion stands in, such as `built-ins/String/prototype/slice`.
    fn area(&self) -> String {
        self.folder.split('/').take(4).collect::<Vec<_>>().join("/")
    }
}

/// The assertions.
const TEXT: &str = include_str!("../../../../../tests/test262/assertions.txt");

/// All assertions in `text`.
fn assertions(text: &str) -> Vec<Assertion<'_>> {
    let (mut folder, mut file, mut all) = ("", "", Vec::new());
    for line in text.lines() {
        let (letter, rest) = line.split_once(' ').unwrap_or_else(|| panic!("`{line}` is no assertion"));
        match Fate::ALL.into_iter().find(|(_, own)| letter == own.to_string()) {
            Some((recorded, _)) => all.push(Assertion { folder, file, code: rest, recorded }),
            None if letter == "#" => folder = rest,
            None => file = rest,
        }
    }
    all
}

/// The values that stand in `code` go into `values`, and a look at the request takes their place.
fn ask_for_values(code: &str, values: &mut Vec<Value>) -> Option<String> {
    struct Found<'a>(&'a Tree, Vec<(std::ops::Range<usize>, Value)>);
    impl<'ast> Visitor<'ast> for Found<'_> {
        type BreakTy = std::convert::Infallible;

        fn visit_literal(&mut self, node: &'ast Literal) -> ControlFlow<Self::BreakTy> {
            let value = match node.kind() {
                LiteralKind::String(text) => {
                    self.0.interner.resolve(*text).and_then(|text| text.utf8().map(|text| json!(text)))
                }
                LiteralKind::Num(number) => number.is_finite().then(|| json!(number)),
                LiteralKind::Int(number) => Some(json!(number)),
                LiteralKind::Bool(flag) => Some(json!(flag)),
                LiteralKind::Null => Some(Value::Null),
                LiteralKind::BigInt(_) | LiteralKind::Undefined => None,
            };
            let (start, end) = (node.span().start(), node.span().end());
            let range = start.column_number() as usize - 1..end.column_number() as usize - 1;
            self.1.extend(value.map(|value| (range, value)));
            ControlFlow::Continue(())
        }
    }
    if !code.is_ascii() {
        return None;
    }
    let tree = parse(code).ok()?;
    let mut found = Found(&tree, Vec::new());
    let _ = tree.script.statements().visit_with(&mut found);
    let mut places = found.1;
    places.sort_by_key(|(range, _)| range.start);
    let (mut text, mut at) = (String::new(), 0);
    for (range, value) in places {
        text += code.get(at..range.start)?;
        text += &format!(" (input.data.v[{}]) ", values.len());
        at = range.end;
        values.push(value);
    }
    Some(text + code.get(at..)?)
}

/// What runs assertions.
struct Suite {
    engines: [JavaScript; 2],
    world: TestWorld,
    /// Whether their values come in the request.
    is_given: bool,
    refusals: BTreeMap<String, usize>,
    /// The causes for which assertions are not compiled, with their areas.
    known: BTreeSet<(String, String)>,
    /// The assertions whose cause was known in their area.
    spare: BTreeSet<String>,
    causes: BTreeMap<BailCause, u64>,
    differences: Vec<String>,
    /// How many values came in requests.
    given: usize,
}

impl Suite {
    fn new(is_given: bool) -> Self {
        let world = TestWorld::tame(&mut TestDice::new(1));
        let (engines, differences) = ([engine(false), engine(true)], Vec::new());
        let (refusals, known, spare, causes) = Default::default();
        Self { engines, world, is_given, refusals, known, spare, causes, differences, given: 0 }
    }

    /// What becomes of each of `all`.
    fn fates(&mut self, all: &[Assertion<'_>]) -> Vec<Fate> {
        match self.fate(all) {
            fate if fate == Fate::Answered || all.len() == 1 => vec![fate; all.len()],
            _ => {
                let (left, right) = all.split_at(all.len() / 2);
                let mut fates = self.fates(left);
                fates.extend(self.fates(right));
                fates
            }
        }
    }

    /// What becomes of a script of all these.
    fn fate(&mut self, all: &[Assertion<'_>]) -> Fate {
        let mut values = Vec::new();
        let mut text = HELPERS.to_owned() + "function balance(input) {\n";
        for assertion in all {
            let given = if self.is_given { ask_for_values(assertion.code, &mut values) } else { None };
            text += &format!("(function () {{ {}\n }})();\n", given.as_deref().unwrap_or(assertion.code));
        }
        text += "return 'holds'; }";
        self.given += values.len();
        let request = json!({"action": "session/start", "user": {"login": "ann"}, "data": {"v": values}});
        let request = Request::from_value(request, "node-1").unwrap();
        let is_one = all.len() == 1;
        let Ok(both) = try_load(&self.engines[1], &text) else { return Fate::BoaDiffers };
        let Some(Tier::Compiled(compiled)) = &both.compiled().unwrap().1.whole else {
            let Some((_, tier)) = both.compiled().unwrap().1.each().next() else { return Fate::BoaDiffers };
            if !is_one {
                return Fate::Interpreted;
            }
            let why = tier.interpreted().unwrap_or_default();
            let why = why.split(" at ").next().unwrap_or_default().to_owned();
            if let [only] = all
                && !self.known.insert((only.area(), why.clone()))
            {
                self.spare.insert(only.code.to_owned());
            }
            *self.refusals.entry(why).or_default() += 1;
            let holds = self.world.ask(&both, &request, &Asking::Whole).says("holds");
            return if holds { Fate::Interpreted } else { Fate::BoaDiffers };
        };
        let said = self.world.ask(&both, &request, &Asking::Whole);
        let causes = compiled.causes();
        if is_one {
            causes.iter().for_each(|(cause, count)| *self.causes.entry(*cause).or_default() += count);
        }
        let gave_up = !causes.is_empty();
        if said.says("holds") && gave_up {
            return Fate::GaveUp;
        }
        if gave_up || !(is_one || said.says("holds")) {
            return Fate::BoaDiffers;
        }
        let boa = try_load(&self.engines[0], &text).unwrap();
        let expected = self.world.ask(&boa, &request, &Asking::Whole);
        if expected != said {
            if is_one {
                let file = all.first().map_or("", |assertion| assertion.file);
                self.differences
                    .push(format!("{file}: Boa says {expected:?}, compiled code {said:?}:\n{text}\n{request:?}"));
            }
            return Fate::BoaDiffers;
        }
        if said.says("holds") { Fate::Answered } else { Fate::BoaDiffers }
    }
}

/// These assertions, as they stand in the file.
fn written(all: &[(&Assertion<'_>, &Fate)]) -> String {
    let (mut text, mut place) = (String::new(), ("", ""));
    for (own, fate) in all {
        if own.folder != place.0 {
            text += &format!("# {}\n", own.folder);
        }
        if (own.folder, own.file) != place {
            text += &format!("@ {}\n", own.file);
        }
        place = (own.folder, own.file);
        text += &format!("{} {}\n", fate.letter(), own.code);
    }
    text
}

fn counted(fates: &[Fate]) -> BTreeMap<Fate, usize> {
    let mut counts = BTreeMap::new();
    fates.iter().for_each(|fate| *counts.entry(*fate).or_default() += 1);
    counts
}

#[test]
fn test262_holds_in_compiled_code() {
    let all = assertions(TEXT);
    let mut suite = Suite::new(false);
    let mut fates = vec![Fate::New; all.len()];
    // What is known to be answered is asked in batches, which whatever else stands between would only split.
    for recorded in [true, false] {
        let own: Vec<_> = (0..all.len()).filter(|n| (all[*n].recorded == Fate::Answered) == recorded).collect();
        for places in own.chunks(BATCH) {
            let batch: Vec<_> = places.iter().map(|n| all[*n].clone()).collect();
            for (place, fate) in places.iter().zip(suite.fates(&batch)) {
                fates[*place] = fate;
            }
        }
    }
    println!("{} assertions: {:?}; gave up for {:?}", all.len(), counted(&fates), suite.causes);
    let mut refusals: Vec<_> = suite.refusals.iter().collect();
    refusals.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (why, count) in refusals.iter().take(40) {
        println!("{count:6} not compiled because {why}");
    }
    assert!(suite.differences.is_empty(), "{}\n{}", suite.differences.len(), suite.differences.join("\n\n"));
    if std::env::var_os("WHITHER_BLESS").is_some() {
        let is_spare = |own: &Assertion<'_>, fate| fate == Fate::Interpreted && suite.spare.contains(own.code);
        let mut kept: Vec<_> = all.iter().zip(&fates).filter(|(own, fate)| !is_spare(own, **fate)).collect();
        kept.sort_by_key(|(own, _)| (own.folder, own.file));
        written(&kept).lines().for_each(|line| println!("| {line}"));
        return;
    }
    let worse = all.iter().zip(&fates).filter(|(assertion, fate)| **fate < assertion.recorded);
    let worse: Vec<_> = worse.map(|(own, fate)| format!("{}: {fate:?}: {}", own.file, own.code)).collect();
    assert!(worse.is_empty(), "{} are worse off than before:\n{}", worse.len(), worse.join("\n"));
}

/// The same assertions of values that are known only when the code runs: of any kind, as far as compiled code knows.
#[test]
fn test262_holds_of_values_in_a_request() {
    let all: Vec<_> = assertions(TEXT).into_iter().filter(|own| own.recorded == Fate::Answered).collect();
    let mut suite = Suite::new(true);
    let fates: Vec<_> = all.chunks(BATCH).flat_map(|batch| suite.fates(batch)).collect();
    let counts = counted(&fates);
    println!("{} assertions: {counts:?}; gave up for {:?}; {:?}", all.len(), suite.causes, suite.refusals);
    // Some are asked again, in smaller batches, so these are no fewer than there are.
    assert!(suite.given > all.len(), "{} values of {} assertions came in requests", suite.given, all.len());
    assert!(suite.differences.is_empty(), "{}\n{}", suite.differences.len(), suite.differences.join("\n\n"));
    let answered = counts.get(&Fate::Answered).copied().unwrap_or_default();
    assert!(answered * 100 >= all.len() * PER_CENT_GIVEN, "{counts:?}");
}
