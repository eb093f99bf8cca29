//! The shape of a source, read from the syntax tree: the functions of the source, and their dependencies.
//!
//! The tree is dropped afterwards; Boa compiles the text again inside a wrapper (see `wrapper`). Reading shapes from
//! the running functions instead (`fn.length`) was rejected: defaults, rest parameters and `arguments` do not show.

use std::collections::BTreeSet;
use std::sync::Arc;

use boa_ast::declaration::Binding;
use boa_ast::operations::contains_arguments;
use boa_ast::scope::Scope;
use boa_ast::{Spanned, Statement, StatementListItem};
use boa_interner::Interner;
use boa_parser::{Error, Parser, Source as Text};

use crate::engine::words::USE_AN_EXECUTABLE;
use crate::model::Position;
use crate::script::{Arity, LoadError, PerNode, ScriptShape, SourceText};

use super::depends::Depends;
use super::edits::{Edit, Moves, Place, apply, offsets};
use super::lengths::{LengthWrite, length_writes};
use super::reads::{FunctionReads, reads};
use super::rests::{SplitKeys, split_keys};
use super::stateless::is_stateless;
use super::survey::{Survey, survey};
use super::tree::{FunctionSyntax, Tree, function, named, parse};

const EXPECTED: &str = "expected one function of the list, `function(input) { … }` (an arrow, a function called `balance` \
    or one whose parameter is called `input` will do), or functions of one node, `filter(node)` and `score(node)`";

/// The text that turns a function without a name into the value of a variable.
const DECLARATION: &str = "var _=";

/// A source with the results of the analyses.
pub(in crate::engine::javascript) struct JavaScriptSource {
    pub(in crate::engine::javascript) shape: ScriptShape,
    pub(in crate::engine::javascript) entry: EntryPoint,
    pub(in crate::engine::javascript) survey: Survey,
    /// The fields and parts of a node that the per-node functions read.
    pub(in crate::engine::javascript) reads: FunctionReads,
    /// The use of the request by these functions.
    pub(in crate::engine::javascript) depends: Depends,
    /// Whether a single run of the top level serves all calls.
    pub(in crate::engine::javascript) is_stateless: bool,
    /// The assignments to a length.
    pub(in crate::engine::javascript) length_writes: BTreeSet<LengthWrite>,
    /// The keys that patterns take apart beside a rest.
    pub(in crate::engine::javascript) split_keys: SplitKeys,
}

/// The place of the functions of a source.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::javascript) enum EntryPoint {
    /// The whole-list function has this name.
    Named(String),
    /// The whole-list function is the expression that starts here, line and column from 1.
    Anonymous(u32, u32),
    /// The functions of a single node have their own names.
    PerNode,
}

/// Analyses `source`.
pub(in crate::engine::javascript) fn read(source: &SourceText) -> Result<JavaScriptSource, LoadError> {
    let ParsedSource { tree, moves, declared } = parsed(source)?;
    read_tree(&tree, &moves, declared)
}

/// A source that was parsed, perhaps with a declaration put before a function without a name.
pub(in crate::engine::javascript) struct ParsedSource {
    pub(in crate::engine::javascript) tree: Tree,
    /// The places that the declaration moved.
    pub(in crate::engine::javascript) moves: Moves,
    /// The place of the declaration.
    pub(in crate::engine::javascript) declared: Option<Place>,
}

/// Parses `source`, in each of the ways in which a script may write the function.
pub(in crate::engine::javascript) fn parsed(source: &SourceText) -> Result<ParsedSource, LoadError> {
    match parse(&source.text) {
        Ok(tree) => Ok(ParsedSource { tree, moves: Moves::default(), declared: None }),
        Err(error) => parse_anonymous(source, error),
    }
}

/// Parses a source with a `function(input) { … }`, which is no statement, as the value of a variable. The text before
/// the function stays in place: `'use strict'`, constants, helpers, classes.
fn parse_anonymous(source: &SourceText, error: Error) -> Result<ParsedSource, LoadError> {
    let Some(place) = anonymous_function(&source.text, &error) else {
        if is_module(&source.text) {
            return Err(LoadError::new(format!(
                "`import`, `export` and `await` at the top level are not available in a balancer script: {USE_AN_EXECUTABLE}"
            )));
        }
        return Err(syntax_error(source, &error, &Moves::default()));
    };
    let start = offsets(&source.text, &BTreeSet::from([place])).get(&place).copied().unwrap_or_default();
    let declaration = Edit { start, replaced: 0, text: DECLARATION.to_owned(), moves: Some(place) };
    let (text, moves) = apply(&source.text, vec![declaration]);
    match parse(&text) {
        Ok(tree) => {
            let items = tree.script.statements().statements().iter();
            if !items.filter_map(|item| anonymous_start(item, &moves, Some(place))).any(|start| start == place) {
                // The function is within a block, where no code could call the function.
                return Err(syntax_error(source, &error, &Moves::default()));
            }
            Ok(ParsedSource { tree, moves, declared: Some(place) })
        }
        Err(second) if anonymous_function(&text, &second).is_some() => {
            Err(LoadError::new(format!("more than one function has no name: {EXPECTED}")))
        }
        Err(second) => Err(syntax_error(source, &second, &moves)),
    }
}

/// Returns the start of the function without a name at the bracket that the parser did not expect.
fn anonymous_function(text: &str, error: &Error) -> Option<Place> {
    let (Error::Expected { span, .. } | Error::Unexpected { span, .. }) = error else { return None };
    let bracket = (span.start().line_number(), span.start().column_number());
    let bracket = *offsets(text, &BTreeSet::from([bracket])).get(&bracket)?;
    text.get(bracket..)?.starts_with('(').then_some(())?;
    let before = without_comment(text.get(..bracket)?).strip_suffix("function")?;
    let asynchronous = before.trim_end_matches([' ', '\t']).strip_suffix("async");
    let before = asynchronous.unwrap_or(before);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '\\');
    (!before.ends_with(is_word)).then(|| end_of(before))
}

/// Returns `text` without the blanks and the comment at the end.
fn without_comment(text: &str) -> &str {
    let text = text.trim_end();
    let comment = text.strip_suffix("*/").and_then(|comment| comment.rfind("/*"));
    comment.and_then(|start| text.get(..start)).map_or(text, str::trim_end)
}

/// The functions at the top level of a source.
#[derive(Default)]
struct TopLevelFunctions {
    anonymous: Vec<(u32, u32)>,
    balance: Option<String>,
    lone: Vec<String>,
    functions: usize,
    filter: Option<Arity>,
    score: Option<Arity>,
    key: Option<()>,
}

pub(in crate::engine::javascript) fn read_tree(
    tree: &Tree,
    moves: &Moves,
    declared: Option<Place>,
) -> Result<JavaScriptSource, LoadError> {
    let mut found = TopLevelFunctions::default();
    for item in tree.script.statements().statements() {
        found.anonymous.extend(anonymous_start(item, moves, declared));
        for (name, value) in named(item) {
            found.note(&tree.name(name), value, tree)?;
        }
    }
    let (shape, entry) = found.decide()?;
    let survey = survey(tree, moves);
    let (reads, depends) = (reads(tree, &survey.globals), Depends::of(tree, shape, &survey.globals));
    let is_stateless = matches!(shape, ScriptShape::PerNode(_)) && is_stateless(tree, &survey.globals);
    let (length_writes, split_keys) = (length_writes(tree, moves), split_keys(tree, moves));
    Ok(JavaScriptSource { shape, entry, survey, reads, depends, is_stateless, length_writes, split_keys })
}

impl TopLevelFunctions {
    fn note(&mut self, name: &str, value: Option<FunctionSyntax<'_>>, tree: &Tree) -> Result<(), LoadError> {
        self.functions += usize::from(value.is_some());
        match name {
            "balance" => self.balance = Some(name.to_owned()),
            "filter" => self.filter = Some(arity(name, value.as_ref())?),
            "score" => self.score = Some(arity(name, value.as_ref())?),
            "key" => {
                self.key = Some(());
                if let Some(value) = &value
                    && value.parameters.as_ref().len() > 1
                {
                    return Err(LoadError::new("`key` takes one parameter, the request"));
                }
            }
            _ if value.is_some_and(|value| takes_input(&value, tree)) => self.lone.push(name.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn decide(self) -> Result<(ScriptShape, EntryPoint), LoadError> {
        let per_node = self.filter.is_some() || self.score.is_some();
        let whole = match (self.anonymous.as_slice(), self.balance, self.lone.as_slice()) {
            ([(line, column)], None, _) => return Ok((ScriptShape::WholeList, EntryPoint::Anonymous(*line, *column))),
            ([_, ..], _, _) => {
                return Err(LoadError::new(format!("more than one function could be meant: {EXPECTED}")));
            }
            ([], Some(name), _) => Some(name),
            ([], None, [name]) => Some(name.clone()),
            ([], None, [_, _, ..]) if !per_node => {
                return Err(LoadError::new(format!("several functions have a parameter `input`: {EXPECTED}")));
            }
            ([], None, _) => None,
        };
        match (whole, per_node) {
            (Some(name), true) => Err(LoadError::new(format!(
                "the script has both `{name}`, a function of the list, and `filter` or `score`, functions of one node: \
                 make them two steps"
            ))),
            (Some(name), false) => Ok((ScriptShape::WholeList, EntryPoint::Named(name))),
            (None, true) => {
                let shape = PerNode { filter: self.filter, score: self.score, key: self.key.is_some() };
                if shape.key && ![shape.filter, shape.score].contains(&Some(Arity::NodeAndRequest)) {
                    return Err(LoadError::new(
                        "`key` says what functions of two parameters depend on, but `filter` and `score` have one",
                    ));
                }
                Ok((ScriptShape::PerNode(shape), EntryPoint::PerNode))
            }
            (None, false) if self.functions == 0 => {
                Err(LoadError::new(format!("the script has no function: {EXPECTED}")))
            }
            (None, false) => Err(LoadError::new(format!("none of the script's functions is known: {EXPECTED}"))),
        }
    }
}

/// Whether the first parameter of `function` is called `input`, as the parameter for the list is in FastX.
fn takes_input(function: &FunctionSyntax<'_>, tree: &Tree) -> bool {
    let first = function.parameters.as_ref().first().map(|parameter| parameter.variable().binding());
    matches!(first, Some(Binding::Identifier(name)) if tree.name(name.sym()) == "input")
}

fn arity(name: &str, value: Option<&FunctionSyntax<'_>>) -> Result<Arity, LoadError> {
    let Some(function) = value else {
        return Err(LoadError::new(format!(
            "`{name}` must be written as a function, so that its parameters can be counted"
        )));
    };
    let list = function.parameters;
    if list.as_ref().len() > 2 {
        return Err(LoadError::new(format!(
            "`{name}` takes one parameter, the node, or two, the node and the request"
        )));
    }
    let arguments = function.own_arguments && (contains_arguments(function.body) || contains_arguments(list));
    let open = list.has_rest_parameter() || list.has_expressions() || arguments;
    Ok(if list.as_ref().len() == 2 || open { Arity::NodeAndRequest } else { Arity::Node })
}

/// Returns the start of the function expression in the source, where the expression is a whole statement, or the value
/// of our own declaration, which was inserted at `declared`.
fn anonymous_start(item: &StatementListItem, moves: &Moves, declared: Option<Place>) -> Option<Place> {
    let StatementListItem::Statement(statement) = item else { return None };
    let own = |place: boa_ast::Position| (place.line_number(), moves.back(place.line_number(), place.column_number()));
    let expression = match &**statement {
        Statement::Expression(expression) => expression,
        Statement::Var(declaration) => match declaration.0.as_ref() {
            [only] if matches!(only.binding(), Binding::Identifier(name) if Some(own(name.span().start())) == declared) => {
                only.init()?
            }
            _ => return None,
        },
        _ => return None,
    };
    function(expression)?;
    Some(own(expression.span().start()))
}

fn is_module(text: &str) -> bool {
    Parser::new(Text::from_bytes(text)).parse_module(&Scope::new_global(), &mut Interner::default()).is_ok()
}

/// Returns a parser's error with the place in the administrator's own lines.
fn syntax_error(source: &SourceText, error: &Error, moves: &Moves) -> LoadError {
    let start = match error {
        Error::Expected { span, .. } | Error::Unexpected { span, .. } => Some(span.start()),
        Error::General { position, .. } => Some(*position),
        Error::Lex { err } => match err {
            boa_parser::lexer::Error::Syntax(_, position) => Some(*position),
            boa_parser::lexer::Error::IO(_) => None,
        },
        Error::AbruptEnd | Error::ScopeAnalysis { .. } => None,
    };
    let (line, column) = match start {
        Some(start) => (start.line_number(), moves.back(start.line_number(), start.column_number())),
        None => end_of(source.text.trim_end_matches(['\r', '\n'])),
    };
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    let words =
        if matches!(error, Error::AbruptEnd) { "unexpected end of file; is a closing } missing?" } else { words };
    let position = Position { file: Arc::clone(&source.file), line, column };
    LoadError { message: format!("syntax error: {words}"), position: Some(position) }
}

/// Returns the place behind the last character of `text`.
fn end_of(text: &str) -> Place {
    let text = text.replace("\r\n", "\n");
    let mut lines = text.split(['\n', '\r', '\u{2028}', '\u{2029}']);
    let last = lines.next_back().unwrap_or_default();
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (narrow(lines.count() + 1), narrow(last.chars().count() + 1))
}
