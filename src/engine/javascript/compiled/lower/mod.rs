//! From the syntax tree to the intermediate form: names, functions and shapes are resolved here. A construct that the
//! form cannot express is refused, with the place of the construct.
//!
//! Functions are inlined at their calls: a closure that never leaves the call is then nothing but variables. A closure
//! that leaves the call, or a function that calls itself, is refused. The kinds of values are found by lowering again
//! until nothing new is learnt, and are checked when the code runs: a wrong guess costs speed and never an answer.

mod borrowed;
mod callables;
mod calls;
mod classes;
mod console;
mod dates;
mod dictionaries;
mod expressions;
mod fixed_lists;
mod function_variables;
mod functions;
mod iterables;
mod kept_functions;
mod lists;
mod literals;
mod locals;
mod loops;
mod lowered;
mod members;
mod names;
mod numbers;
mod operators;
mod parts;
mod patterns;
mod quiet_top;
mod returns;
mod sorts;
mod statements;
mod tables;
mod texts;
mod writes;
mod written;

use std::collections::BTreeMap;

use boa_ast::{Spanned, StatementListItem};
use boa_interner::Sym;

use super::super::analysis::edits::Moves;
use super::super::analysis::source::EntryPoint;
use super::super::analysis::tree::Tree;
use super::ir::{Ex, Label, Local, Ty};
use super::kinds::Kinds;
use super::paths::{NODE, PathId, Paths, REQUEST, Shape};
use super::strings::Strings;
use super::thrown::ThrowPlace;
use super::value;
use callables::Callable;
use classes::Class;
use fixed_lists::FixedList;
use function_variables::FunctionVariable;
use functions::Fun;
use locals::{LoweredVariable, Val};
pub(super) use lowered::Lowered;
pub(super) use members::is_inherited;
use names::{Scope, ScopeId};
pub(super) use quiet_top::has_quiet_top;
use returns::Return;
use writes::Writes;

/// More steps than these are not compiled.
const MAX_SIZE: usize = 20_000;
/// How often a function is lowered at most until nothing new is learnt.
const MAX_PASSES: usize = 24;

/// Why a function is not compiled: the first construct that keeps it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Uncompiled {
    /// The line, from 1.
    pub(super) line: u32,
    /// The column, from 1.
    pub(super) column: u32,
    /// The construct in words.
    pub(super) construct: String,
}

type Res<T> = Result<T, Uncompiled>;

/// Which function of a script is compiled.
#[derive(Clone, Copy, Debug)]
pub(super) enum CompileTarget<'a> {
    /// The function of the whole list.
    Whole(&'a EntryPoint),
    /// A function of one node, by its name, with its number of parameters.
    OfNode { name: &'static str, parameters: usize, has_key: bool },
}

impl CompileTarget<'_> {
    /// The name of the function.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Whole(_) => "balance",
            Self::OfNode { name, .. } => name,
        }
    }
}

/// Lowers `target` of the script `tree`; `has_global` says which names are taken by the engine.
pub(super) fn lower(
    tree: &Tree,
    moves: &Moves,
    target: CompileTarget<'_>,
    strings: &mut Strings,
    has_global: &dyn Fn(&str) -> bool,
) -> Res<Lowered> {
    let whole = matches!(target, CompileTarget::Whole(_));
    let mut lowering = Lowering {
        tree,
        moves,
        strings,
        has_global,
        paths: Paths::new(whole),
        variables: Vec::new(),
        kinds: Vec::new(),
        sites: Vec::new(),
        next_site: 0,
        literals: Vec::new(),
        next_literal: 0,
        literal_fields: BTreeMap::new(),
        patterns: Vec::new(),
        throws: Vec::new(),
        tries: 0,
        wrote: false,
        written: Vec::new(),
        tables: tables::Tables::default(),
        kept_functions: kept_functions::KeptFunctions::default(),
        kept_patterns: BTreeMap::new(),
        frozen: Shape::default(),
        writes_frozen: false,
        loop_name: None,
        scopes: Vec::new(),
        functions: Vec::new(),
        depths: Vec::new(),
        function_variables: Vec::new(),
        fixed_lists: Vec::new(),
        classes: Vec::new(),
        assigned: BTreeMap::new(),
        writes: Writes::of(tree),
        regions: vec![0],
        next_region: 1,
        repeats: 0,
        next_label: 0,
        label_places: Vec::new(),
        returns: Vec::new(),
        jumps: Vec::new(),
        calls: Vec::new(),
        stack: Vec::new(),
        size: 0,
        place: (1, 1),
        learnt: false,
        is_last: false,
        writes_lists: false,
        makes_dictionaries: false,
    };
    for _ in 0..MAX_PASSES {
        let lowered = lowering.pass(target)?;
        match (lowering.learnt, lowering.is_last) {
            (false, true) => return Ok(lowered),
            (learnt, _) => lowering.is_last = !learnt,
        }
    }
    Err(lowering.refusal("values whose kinds do not settle"))
}

/// Where `break` and `continue` lead; none where a function begins.
#[derive(Clone, Copy)]
struct Jump {
    leave: Option<Label>,
    go_on: Option<Label>,
    /// The script's own label of the loop.
    name: Option<Sym>,
}

/// The state of a pass, and the facts that all passes so far found.
struct Lowering<'t> {
    tree: &'t Tree,
    moves: &'t Moves,
    strings: &'t mut Strings,
    has_global: &'t dyn Fn(&str) -> bool,
    paths: Paths,
    variables: Vec<LoweredVariable>,
    /// The kinds of this pass's variables as far as they are fixed.
    kinds: Vec<Option<Ty>>,
    /// The shapes of the elements of each list that the script makes, by site.
    sites: Vec<Shape>,
    next_site: usize,
    /// The roots of object literals, by place.
    literals: Vec<PathId>,
    next_literal: usize,
    literal_fields: BTreeMap<PathId, Shape>,
    patterns: Vec<(String, String)>,
    throws: Vec<ThrowPlace>,
    /// The number of `try` statements around.
    tries: usize,
    /// Whether a pass found that the script writes to lists, maps or sets.
    wrote: bool,
    /// The members that the script writes into nodes, with the values that they may have.
    written: Vec<(String, Shape)>,
    /// What is known of object literals, maps and sets.
    tables: tables::Tables,
    /// The functions that are members of object literals.
    kept_functions: kept_functions::KeptFunctions,
    /// The members of object literals that are patterns, and whether these have the flag `g`.
    kept_patterns: BTreeMap<PathId, bool>,
    /// The values that `Object.freeze` was given, and whether this pass writes to such values.
    frozen: Shape,
    writes_frozen: bool,
    /// The label before the loop that comes next.
    loop_name: Option<Sym>,
    scopes: Vec<Scope>,
    /// The callables of this pass, by number.
    functions: Vec<Callable<'t>>,
    /// The number of loops around each callable.
    depths: Vec<usize>,
    function_variables: Vec<FunctionVariable>,
    /// The lists of functions and patterns of this pass, by number.
    fixed_lists: Vec<FixedList>,
    classes: Vec<Class<'t>>,
    /// The region in which each variable was set first.
    assigned: BTreeMap<Local, u32>,
    /// The number of times that each name is given a value.
    writes: Writes,
    /// The parts of the text around, each of which may be left out or repeated when the code runs.
    regions: Vec<u32>,
    next_region: u32,
    /// The number of loops around the code that is being lowered; a method of lists with a callback is a loop.
    repeats: usize,
    next_label: usize,
    /// The line and column at which each label was made; label 1 comes first.
    label_places: Vec<(u32, u32)>,
    returns: Vec<Return>,
    jumps: Vec<Jump>,
    /// The functions that are being written out.
    calls: Vec<Fun<'t>>,
    /// The scopes around.
    stack: Vec<ScopeId>,
    size: usize,
    place: (u32, u32),
    learnt: bool,
    is_last: bool,
    writes_lists: bool,
    /// Whether the script makes dictionaries, so that a list may be a dictionary.
    makes_dictionaries: bool,
}

impl<'t> Lowering<'t> {
    /// Lowers everything once.
    fn pass(&mut self, target: CompileTarget<'_>) -> Res<Lowered> {
        if self.tables.begin() {
            (self.variables, self.sites, self.literal_fields) = Default::default();
            self.frozen = Shape::default();
        }
        self.kept_functions.begin();
        (self.writes_frozen, self.loop_name) = (false, None);
        (self.kinds, self.scopes, self.functions, self.patterns) = Default::default();
        self.depths.clear();
        self.function_variables.clear();
        self.fixed_lists.clear();
        self.classes.clear();
        (self.stack, self.returns, self.jumps, self.calls) = Default::default();
        (self.next_site, self.next_literal, self.next_label, self.next_region, self.size) = (0, 0, 0, 1, 0);
        (self.assigned, self.learnt, self.writes_lists) = (BTreeMap::new(), false, false);
        (self.throws, self.tries, self.repeats) = (Vec::new(), 0, 0);
        let known_paths = self.paths.list.len();
        let (arguments, shapes) = match target {
            CompileTarget::Whole(_) => (1, vec![Shape::object(REQUEST)]),
            CompileTarget::OfNode { parameters: 1, .. } => (1, vec![Shape::object(NODE)]),
            CompileTarget::OfNode { has_key: true, .. } => (2, vec![Shape::object(NODE), Shape::default()]),
            CompileTarget::OfNode { .. } => (2, vec![Shape::object(NODE), Shape::object(REQUEST)]),
        };
        let arguments: Vec<_> = (0..arguments).map(|_| self.local(Some(Ty::Any))).collect();
        let tree = self.tree;
        let list = tree.script.statements();
        let mut body = Vec::new();
        let top = self.open_function(None, list, &mut body)?;
        let entry = self.entry(target);
        for item in list.statements() {
            if !entry.is_some_and(|(_, skipped)| std::ptr::eq(item, skipped)) {
                self.item(item, &mut body)?;
            }
        }
        let function = match (entry, target) {
            (Some((function, _)), _) => Fun { scope: top, ..function },
            (None, CompileTarget::Whole(EntryPoint::Named(name))) => self.named(name, top)?,
            (None, CompileTarget::OfNode { name, .. }) => self.named(name, top)?,
            (None, CompileTarget::Whole(_)) => return Err(self.refusal("a function that is not found")),
        };
        let given = arguments
            .iter()
            .zip(shapes)
            .map(|(local, shape)| functions::PassedArgument::Value(Val { ex: Ex::Get(*local), shape }));
        let given = given.collect();
        let result = self.call_function(function, None, given, &mut body)?;
        if self.writes_frozen {
            return Err(self.refusal("a write to what is frozen"));
        }
        // What is spread or asked of a date has as many members as somebody reads.
        self.learnt |= self.paths.list.len() != known_paths;
        let kinds = Kinds::find(&self.kinds, &body, &result.ex);
        Ok(Lowered {
            parameters: arguments.len(),
            body,
            result: result.ex,
            kinds,
            paths: self.paths.clone(),
            writes_lists: self.writes_lists,
            patterns: self.patterns.clone(),
            label_places: self.label_places.clone(),
            throws: self.throws.clone(),
            written: self.written.len(),
        })
    }

    /// The function without a name, and the item that it stands in.
    fn entry(&self, target: CompileTarget<'_>) -> Option<(Fun<'t>, &'t StatementListItem)> {
        let CompileTarget::Whole(EntryPoint::Anonymous(line, column)) = target else { return None };
        let tree = self.tree;
        tree.script.statements().statements().iter().find_map(|item| {
            let expression = functions::lone_expression(item)?;
            let start = expression.span().start();
            let own = (start.line_number(), self.moves.back(start.line_number(), start.column_number()));
            let function = functions::function(expression, ScopeId::TOP)?;
            (own == (*line, *column)).then_some((function, item))
        })
    }

    /// Notes that the text at `spanned` is being lowered.
    fn at(&mut self, spanned: &impl Spanned) -> Res<()> {
        let start = spanned.span().start();
        self.place = (start.line_number(), self.moves.back(start.line_number(), start.column_number()));
        self.tick()
    }

    /// Counts a step. Code that is written out again and again has a limit, however short the source is.
    fn tick(&mut self) -> Res<()> {
        self.size += 1;
        if self.size > MAX_SIZE { Err(self.refusal("so much code")) } else { Ok(()) }
    }

    /// Why the construct that is being lowered is not compiled.
    fn refusal(&self, construct: impl Into<String>) -> Uncompiled {
        Uncompiled { line: self.place.0, column: self.place.1, construct: construct.into() }
    }

    /// Refuses a construct of whose kind more may be known in a later pass.
    fn refuse_at_last(&self, construct: &str) -> Res<()> {
        if self.is_last { Err(self.refusal(construct)) } else { Ok(()) }
    }

    fn name(&self, sym: Sym) -> String {
        self.tree.name(sym)
    }

    /// A text as a constant.
    fn text(&mut self, text: &str) -> Val {
        Val::plain(Ex::Const(value::text(self.strings.intern(text))))
    }

    /// The text of a literal; refused where it is no Unicode.
    fn literal_text(&self, sym: Sym) -> Res<String> {
        let text = self.tree.interner.resolve(sym).and_then(|name| name.utf8().map(str::to_owned));
        match text {
            Some(text) => Ok(text),
            None => match self.tree.interner.resolve(sym).map(|name| String::from_utf16(name.utf16())) {
                Some(Ok(text)) => Ok(text),
                _ => Err(self.refusal("a text that is no Unicode")),
            },
        }
    }
}
