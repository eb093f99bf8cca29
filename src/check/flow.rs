//! The flow of values through a script: the worth of each variable, parameter and expression.
//!
//! The tree is walked several times, until no worth of a variable or parameter grows; then once more, and in that walk
//! the rules look. The cost of a walk is proportional to the length of the source, and there are few walks.

mod calls;
mod expressions;
mod statements;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use crate::script::tree::{
    Dialect, Expr, ExprKind, FunctionTree, Pattern, PatternKind, SourceRange, Stmt, StmtKind, SyntaxTree, TreeEntry,
};
use crate::script::{Arity, PerNode, ScriptShape};

use super::codes::Code;
use super::finding::Finding;
use super::value::{Thing, Worth};
pub(in crate::check) use variables::{Variable, VariableEvent, VariableEventKind};

/// The most walks before the rules look.
const MAX_WALKS: usize = 12;
/// The most characters of an expression that a message repeats.
const MAX_SHOWN: usize = 48;

/// The purpose that whither calls a function for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum FunctionRole {
    /// The function of the whole list.
    Whole,
    /// `filter`, which may know the request.
    Filter(Arity),
    /// `score`, which may know the request.
    Score(Arity),
    /// `key`.
    Key,
}

/// The facts that are known of a function.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct FunctionFacts<'t> {
    /// The function; absent until the first walk came to the function.
    pub(in crate::check) tree: Option<&'t FunctionTree>,
    /// The worth of the function's parameters, over all calls.
    pub(in crate::check) parameters: Vec<Worth>,
    /// The worth of the function's result, over all ways.
    pub(in crate::check) returns: Worth,
    /// Whether the caller of the function only tests the truth of the result.
    pub(in crate::check) is_test: bool,
}

/// A place at which a script reads the clock, chance or the request.
#[derive(Clone, Debug)]
pub(in crate::check) struct Impurity {
    /// The function around the place; absent at the top level.
    pub(in crate::check) function: Option<usize>,
    /// The place.
    pub(in crate::check) span: SourceRange,
    /// The subject that is read, in words.
    pub(in crate::check) what: &'static str,
}

/// The record of the last walk, for rules that look at a script as a whole.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct FlowRecord {
    /// The findings so far.
    pub(in crate::check) findings: Vec<Finding>,
    /// The places that read clock and chance.
    pub(in crate::check) impurities: Vec<Impurity>,
    /// Which function calls or holds which; absent at the top level.
    pub(in crate::check) edges: BTreeSet<(Option<usize>, usize)>,
    /// The events of the variables of the top level.
    pub(in crate::check) events: Vec<VariableEvent>,
    /// The places where lists of nodes are read, with the holder of the list.
    pub(in crate::check) lists: Vec<(ListKey, SourceRange)>,
    /// Members of objects of the top level that are stepped once in a call, each with the member's name.
    pub(in crate::check) member_steps: Vec<(String, SourceRange)>,
    /// Lists that are sorted where the result is not used.
    pub(in crate::check) sorts: Vec<(ListKey, SourceRange, Option<usize>)>,
    /// Texts that stand for ids of nodes.
    pub(in crate::check) ids: Vec<(String, SourceRange)>,
    /// Metadata that are compared with a text somewhere, by name.
    pub(in crate::check) compared: BTreeSet<String>,
    /// Metadata tested for truth, by name, with the place of the test.
    pub(in crate::check) tested: Vec<(String, SourceRange)>,
    /// The places, in bytes, of undeclared variables that are findings already.
    pub(in crate::check) undeclared: BTreeSet<usize>,
}

/// The holder of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum ListKey {
    /// The input.
    Input,
    /// The variable of this number.
    Variable(usize),
}

/// The walk.
pub(in crate::check) struct ValueFlow<'t> {
    /// The source.
    pub(in crate::check) text: &'t str,
    /// The tree.
    pub(in crate::check) tree: &'t SyntaxTree,
    /// The variables of all scopes.
    pub(in crate::check) variables: Vec<Variable>,
    places: BTreeMap<(usize, String), usize>,
    /// The expressions that variables are given where they are declared.
    initial: BTreeMap<usize, &'t Expr>,
    /// The functions by their numbers.
    pub(in crate::check) functions: Vec<FunctionFacts<'t>>,
    /// The functions that whither calls, by their numbers.
    pub(in crate::check) roles: BTreeMap<usize, FunctionRole>,
    scopes: Vec<BTreeMap<String, usize>>,
    /// The functions around the place that is looked at.
    pub(in crate::check) around: Vec<usize>,
    /// The number of loops and callbacks around the place that is looked at, within the function that whither calls.
    pub(in crate::check) turns: usize,
    /// The bytes of the expression that is the statement around the place that is looked at.
    pub(in crate::check) statement: SourceRange,
    /// Names that the script gives to fields itself.
    pub(in crate::check) own_fields: BTreeSet<String>,
    is_changed: bool,
    /// The record of the rules; absent before the last walk, and where a part is walked a second time.
    pub(in crate::check) seen: Option<FlowRecord>,
}

impl<'t> ValueFlow<'t> {
    /// Returns the flow of `tree`, whose source is `text`, after the last walk; fields called as in `known` are set by
    /// earlier scripts.
    #[must_use]
    pub(in crate::check) fn of(tree: &'t SyntaxTree, text: &'t str, known: &BTreeSet<String>) -> Self {
        let mut own_fields = own_fields(&tree.body);
        own_fields.extend(known.iter().cloned());
        let mut flow = Self {
            text,
            tree,
            variables: Vec::new(),
            places: BTreeMap::new(),
            initial: BTreeMap::new(),
            functions: vec![FunctionFacts::default(); tree.functions],
            roles: roles(tree),
            scopes: Vec::new(),
            around: Vec::new(),
            turns: 0,
            statement: 0..0,
            own_fields,
            is_changed: true,
            seen: None,
        };
        for _ in 0..MAX_WALKS {
            if !std::mem::take(&mut flow.is_changed) {
                break;
            }
            flow.walk();
        }
        flow.seen = Some(FlowRecord::default());
        flow.walk();
        flow
    }

    fn walk(&mut self) {
        self.settle_constants();
        self.scopes.clear();
        let tree = self.tree;
        self.scoped(|flow| {
            flow.hoist(&tree.body);
            flow.declare_functions(&tree.body);
            flow.statements(&tree.body);
        });
    }

    /// Whether the script is JavaScript.
    #[must_use]
    pub(in crate::check) fn is_javascript(&self) -> bool {
        self.tree.dialect == Dialect::JavaScript
    }

    /// Returns the number of the function around the place that is looked at.
    #[must_use]
    pub(in crate::check) fn function(&self) -> Option<usize> {
        self.around.last().copied()
    }

    /// Returns the role of the function around the place, if whither calls that function.
    #[must_use]
    pub(in crate::check) fn role(&self) -> Option<FunctionRole> {
        self.roles.get(self.around.last()?).copied()
    }

    /// Notes `finding`, in the last walk.
    pub(in crate::check) fn find(&mut self, finding: Finding) {
        if let Some(seen) = &mut self.seen {
            seen.findings.push(finding);
        }
    }

    /// Returns the source of `span`.
    #[must_use]
    pub(in crate::check) fn source(&self, span: &SourceRange) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Returns the source of `span` in the form for a message.
    #[must_use]
    pub(in crate::check) fn shown(&self, span: &SourceRange) -> String {
        let words: Vec<&str> = self.source(span).split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => format!("`{}…`", line.get(..end).unwrap_or_default()),
            None => format!("`{line}`"),
        }
    }

    /// Returns the worth of `expression`, without any rule looking.
    pub(in crate::check) fn peek(&mut self, expression: &'t Expr) -> Worth {
        let (seen, is_changed) = (self.seen.take(), self.is_changed);
        let value = self.expression(expression);
        (self.seen, self.is_changed) = (seen, is_changed);
        value
    }

    /// Runs `walk` in a new scope.
    fn scoped<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push(BTreeMap::new());
        let done = walk(self);
        self.scopes.pop();
        done
    }

    /// Walks through `function`, with the known worth of the parameters.
    fn enter(&mut self, function: &'t FunctionTree) {
        let number = function.number;
        if let Some(facts) = self.functions.get_mut(number) {
            facts.tree = Some(function);
        }
        let around = self.function();
        if let Some(seen) = &mut self.seen {
            seen.edges.insert((around, number));
        }
        let given = self.given(number, function.parameters.len());
        let is_called_by_whither = self.roles.contains_key(&number);
        let turns = if is_called_by_whither { std::mem::take(&mut self.turns) } else { self.turns };
        self.turns += usize::from(!is_called_by_whither);
        let statement = self.statement.clone();
        self.around.push(number);
        self.scoped(|flow| {
            for (parameter, value) in function.parameters.iter().zip(given) {
                flow.declare_pattern(parameter);
                flow.bind(parameter, value);
            }
            flow.hoist(&function.body);
            flow.declare_functions(&function.body);
            flow.statements(&function.body);
        });
        self.around.pop();
        (self.turns, self.statement) = (turns, statement);
    }

    /// Returns the worth of the parameters of the function `number`.
    fn given(&self, number: usize, count: usize) -> Vec<Worth> {
        let of_calls = self.functions.get(number).map(|facts| facts.parameters.clone()).unwrap_or_default();
        let second = |arity: Arity| match (arity, self.tree.shape) {
            (Arity::NodeAndRequest, ScriptShape::PerNode(PerNode { key: false, .. })) => Worth::Thing(Thing::Request),
            _ => Worth::Unknown,
        };
        let mut given = match self.roles.get(&number) {
            Some(FunctionRole::Whole) => vec![Worth::Thing(Thing::Input)],
            Some(FunctionRole::Filter(arity) | FunctionRole::Score(arity)) => {
                vec![Worth::Thing(Thing::Node), second(*arity)]
            }
            Some(FunctionRole::Key) => vec![Worth::Thing(Thing::Request)],
            None => of_calls,
        };
        given.resize(count, Worth::Unset);
        given
    }

    /// Notes a call of the function `number` with `arguments`; returns the worth of the function's result.
    fn apply(&mut self, number: usize, arguments: &[Worth]) -> Worth {
        let around = self.function();
        if let Some(seen) = &mut self.seen {
            seen.edges.insert((around, number));
        }
        let Some(facts) = self.functions.get_mut(number) else { return Worth::Unknown };
        if facts.parameters.len() < arguments.len() {
            facts.parameters.resize(arguments.len(), Worth::Unset);
        }
        for (parameter, argument) in facts.parameters.iter_mut().zip(arguments) {
            let joined = parameter.clone().or(argument.clone());
            self.is_changed |= joined != *parameter;
            *parameter = joined;
        }
        let is_promise = facts.tree.is_some_and(|tree| tree.is_async || tree.is_generator);
        if is_promise { Worth::Unknown } else { facts.returns.clone() }
    }

    /// Notes that the function around the place returns `value`.
    fn returns(&mut self, value: Worth) {
        if let Some(facts) = self.function().and_then(|number| self.functions.get_mut(number)) {
            let joined = facts.returns.clone().or(value);
            self.is_changed |= joined != facts.returns;
            facts.returns = joined;
        }
    }

    /// Whether the rules have a finding with `code` about `span` already.
    #[must_use]
    pub(in crate::check) fn has(&self, code: Code, span: &SourceRange) -> bool {
        let is_it = |finding: &Finding| finding.code == code && finding.span.as_ref() == Some(span);
        self.seen.as_ref().is_some_and(|seen| seen.findings.iter().any(is_it))
    }
}

/// Returns the functions that whither calls.
fn roles(tree: &SyntaxTree) -> BTreeMap<usize, FunctionRole> {
    let mut roles = BTreeMap::new();
    for statement in &tree.body {
        for (name, function) in defined(statement) {
            let role = match (&tree.entry, name, tree.shape) {
                (Some(TreeEntry::At(start)), _, _) if function.span.start == *start => Some(FunctionRole::Whole),
                (Some(TreeEntry::Named(entry)), Some(name), _) if entry == name => Some(FunctionRole::Whole),
                (None, Some("filter"), ScriptShape::PerNode(PerNode { filter: Some(arity), .. })) => {
                    Some(FunctionRole::Filter(arity))
                }
                (None, Some("score"), ScriptShape::PerNode(PerNode { score: Some(arity), .. })) => {
                    Some(FunctionRole::Score(arity))
                }
                (None, Some("key"), ScriptShape::PerNode(PerNode { key: true, .. })) => Some(FunctionRole::Key),
                _ => None,
            };
            roles.extend(role.map(|role| (function.number, role)));
        }
    }
    roles
}

/// Returns the functions that a statement of the top level defines, with their names.
fn defined(statement: &Stmt) -> Vec<(Option<&str>, &FunctionTree)> {
    match &statement.kind {
        StmtKind::Function(function) => vec![(function.name.as_deref(), function)],
        StmtKind::Expr(Expr { kind: ExprKind::Function(function), .. }) => vec![(None, function)],
        StmtKind::Expr(Expr { kind: ExprKind::Assign(None, target, value), .. }) => {
            let name = if let PatternKind::Name(name) = &target.kind { Some(name.as_str()) } else { None };
            function_in(value).map(|function| (name, function)).into_iter().collect()
        }
        StmtKind::Declare(_, list) => list
            .iter()
            .filter_map(|(pattern, value)| {
                let name = if let PatternKind::Name(name) = &pattern.kind { Some(name.as_str()) } else { None };
                Some((name, function_in(value.as_ref()?)?))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn function_in(value: &Expr) -> Option<&FunctionTree> {
    match &value.kind {
        ExprKind::Function(function) => Some(function),
        _ => None,
    }
}

/// Returns the names of fields that a script sets, on any object.
pub(in crate::check) fn own_fields(body: &[Stmt]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    super::visit::expressions(body, &mut |expression| match &expression.kind {
        ExprKind::Assign(_, target, _) => {
            if let Pattern { kind: PatternKind::Place(place), .. } = &**target {
                names.extend(place.field().map(|(_, name)| name.to_owned()));
            }
        }
        ExprKind::Update(place) => names.extend(place.field().map(|(_, name)| name.to_owned())),
        ExprKind::Object(members) => {
            let is_copy = members.iter().any(|(_, value)| matches!(value.kind, ExprKind::Spread(_)));
            if is_copy {
                names.extend(members.iter().filter_map(|(name, _)| name.clone()));
            }
        }
        // `Object.assign(node, {rank: 1})`
        ExprKind::Call(callee, arguments) if callee.field().is_some_and(|(_, name)| name == "assign") => {
            for argument in arguments {
                if let ExprKind::Object(members) = &argument.kind {
                    names.extend(members.iter().filter_map(|(name, _)| name.clone()));
                }
            }
        }
        _ => {}
    });
    names
}
