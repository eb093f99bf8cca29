//! Type annotations for the functions of a source, for a type checker.
//!
//! Scripts of FastX begin with `function(input)`, which no checker can parse, and state no types. The annotations add no
//! line before the last, so that a checker reports the line numbers of the administrator's own file.

use std::collections::BTreeSet;

use boa_ast::declaration::{Binding, Declaration, Variable};
use boa_ast::expression::Expression;
use boa_ast::expression::operator::assign::AssignTarget;
use boa_ast::function::FormalParameterList;
use boa_ast::{Spanned, Statement, StatementListItem};

use crate::script::{LoadError, ScriptShape, SourceText};

use super::analysis::edits::{Edit, Place, apply, offsets};
use super::analysis::global_use::GlobalUse;
use super::analysis::scan::check_depth;
use super::analysis::source::{EntryPoint, read};
use super::analysis::tree::{self, Tree};

/// The text by which a source with its own types is recognised.
const TYPED: &str = "Whither.";
/// The declaration that gives a name to a function without a name.
const DECLARATION: &str = "var balance$=";

/// Returns `source` with a comment in the manner of JSDoc before each function that whither calls, and with a declaration
/// of the globals that the source makes; a source that names types of whither stays as it is. Sources may nest `depth`
/// deep.
///
/// # Errors
/// The fault in the source.
pub fn annotate(source: &SourceText, depth: usize) -> Result<String, LoadError> {
    check_depth(source, depth)?;
    let reading = read(source)?;
    if source.text.contains(TYPED) {
        return Ok(source.text.to_string());
    }
    let mut edits = Vec::new();
    match (tree::parse(&source.text), &reading.entry) {
        (Ok(tree), entry) => {
            let has_key = matches!(reading.shape, ScriptShape::PerNode(shape) if shape.key);
            let functions = tree.script.statements().statements().iter().flat_map(|item| functions(item, &tree));
            for function in functions.filter(|function| function.is_entry(entry)) {
                edits.extend(function.edit(&source.text, has_key));
            }
        }
        // A function without a name, which no statement can be; the parameter may have any name, or be missing.
        (Err(_), EntryPoint::Anonymous(line, column)) => {
            let (declared, place) = (format!("var _={}", rest_from(&source.text, (*line, *column))), (1, 7));
            let parsed = tree::parse(&declared).ok();
            let comment = parsed.and_then(|tree| {
                let items = tree.script.statements().statements().iter();
                let mut found = items.flat_map(|item| functions(item, &tree));
                found.find(|function| function.place == place).map(|function| function.comment(false))
            });
            let text = format!("{DECLARATION}{}", comment.unwrap_or_default());
            edits.extend(put(&source.text, (*line, *column), text));
        }
        (Err(error), _) => return Err(LoadError::new(error.to_string())),
    }
    let (mut text, _) = apply(&source.text, edits);
    if let GlobalUse::Names(names) = &reading.survey.globals {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        text.push_str(&format!("\n;var {};\n", names.join(", ")));
    }
    Ok(text)
}

/// Returns `text` from `place` on.
fn rest_from(text: &str, place: Place) -> &str {
    offsets(text, &BTreeSet::from([place])).get(&place).and_then(|start| text.get(*start..)).unwrap_or_default()
}

fn put(text: &str, place: Place, comment: String) -> Option<Edit> {
    let start = *offsets(text, &BTreeSet::from([place])).get(&place)?;
    Some(Edit { start, replaced: 0, text: comment, moves: None })
}

/// A function at the top level of a source.
struct Found {
    /// The name; empty where the function has no name.
    name: String,
    /// The start of the function; of a declaration, the start of the name.
    place: Place,
    is_declaration: bool,
    /// The names of the parameters: empty for a pattern, `None` for a rest parameter.
    parameters: Vec<Option<String>>,
}

impl Found {
    /// Whether whither calls the function.
    fn is_entry(&self, entry: &EntryPoint) -> bool {
        match entry {
            EntryPoint::Named(name) => self.name == *name,
            EntryPoint::Anonymous(..) => self.name.is_empty(),
            EntryPoint::PerNode => ["filter", "score", "key"].contains(&self.name.as_str()),
        }
    }

    /// Returns the edit that puts the comment before the function.
    fn edit(&self, text: &str, has_key: bool) -> Option<Edit> {
        let mut edit = put(text, self.place, self.comment(has_key))?;
        if self.is_declaration {
            // The tree knows the place of the name; the word `function`, and `async` before that word, come earlier.
            let before = text.get(..edit.start)?;
            let start = before.rfind("function")?;
            let head = before.get(..start)?.trim_end_matches([' ', '\t']);
            edit.start = head.strip_suffix("async").map_or(start, str::len);
        }
        Some(edit)
    }

    fn comment(&self, has_key: bool) -> String {
        let (types, returns): (&[&str], _) = match self.name.as_str() {
            "filter" | "score" if has_key => (&["Whither.Node", "ReturnType<typeof key>"], self.answer()),
            "filter" | "score" => (&["Whither.Node", "Whither.Request"], self.answer()),
            // The checker infers the type of the key, which is a parameter of the other functions.
            "key" => (&["Whither.Request"], ""),
            _ => (&["Whither.Input"], " @returns {Whither.Verdict}"),
        };
        let named = self.parameters.iter().zip(types).enumerate();
        let parameters = named.filter_map(|(place, (name, kind))| {
            let name = name.as_ref().map(|name| if name.is_empty() { format!("its{place}") } else { name.clone() })?;
            Some(format!(" @param {{{kind}}} {name}"))
        });
        format!("/**{}{returns} */", parameters.collect::<String>())
    }

    fn answer(&self) -> &'static str {
        if self.name == "filter" { " @returns {Whither.Keep}" } else { " @returns {Whither.Points}" }
    }
}

/// Returns the functions of a top-level item.
fn functions(item: &StatementListItem, tree: &Tree) -> Vec<Found> {
    match item {
        StatementListItem::Declaration(declaration) => match &**declaration {
            Declaration::FunctionDeclaration(f) => vec![declared(f.name(), f.parameters(), tree)],
            Declaration::AsyncFunctionDeclaration(f) => vec![declared(f.name(), f.parameters(), tree)],
            Declaration::Lexical(list) => variables(list.variable_list().as_ref(), tree),
            Declaration::GeneratorDeclaration(_)
            | Declaration::AsyncGeneratorDeclaration(_)
            | Declaration::ClassDeclaration(_) => Vec::new(),
        },
        StatementListItem::Statement(statement) => match &**statement {
            Statement::Var(list) => variables(list.0.as_ref(), tree),
            Statement::Expression(Expression::Assign(assign)) => match assign.lhs() {
                AssignTarget::Identifier(name) => {
                    valued(tree.name(name.sym()), assign.rhs(), tree).into_iter().collect()
                }
                _ => Vec::new(),
            },
            Statement::Expression(expression) => valued(String::new(), expression, tree).into_iter().collect(),
            _ => Vec::new(),
        },
    }
}

fn declared(name: boa_ast::expression::Identifier, list: &FormalParameterList, tree: &Tree) -> Found {
    let start = name.span().start();
    Found {
        name: tree.name(name.sym()),
        place: (start.line_number(), start.column_number()),
        is_declaration: true,
        parameters: parameters(list, tree),
    }
}

fn variables(list: &[Variable], tree: &Tree) -> Vec<Found> {
    let one = |variable: &Variable| match variable.binding() {
        Binding::Identifier(name) => valued(tree.name(name.sym()), variable.init()?, tree),
        Binding::Pattern(_) => None,
    };
    list.iter().filter_map(one).collect()
}

/// Returns the function of `expression`, with or without brackets around the function.
fn valued(name: String, expression: &Expression, tree: &Tree) -> Option<Found> {
    let list = match expression {
        Expression::Parenthesized(inner) => return valued(name, inner.expression(), tree),
        Expression::FunctionExpression(f) => f.parameters(),
        Expression::AsyncFunctionExpression(f) => f.parameters(),
        Expression::ArrowFunction(f) => f.parameters(),
        Expression::AsyncArrowFunction(f) => f.parameters(),
        _ => return None,
    };
    let start = expression.span().start();
    let place = (start.line_number(), start.column_number());
    Some(Found { name, place, is_declaration: false, parameters: parameters(list, tree) })
}

fn parameters(list: &FormalParameterList, tree: &Tree) -> Vec<Option<String>> {
    let name = |parameter: &boa_ast::function::FormalParameter| match parameter.variable().binding() {
        _ if parameter.is_rest_param() => None,
        Binding::Identifier(name) => Some(tree.name(name.sym())),
        Binding::Pattern(_) => Some(String::new()),
    };
    list.as_ref().iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let source = SourceText { file: "a.js".into(), text: text.into() };
        assert_eq!(annotate(&source, 100).unwrap(), expected);
    }

    #[test]
    fn each_function_that_is_called_has_its_types() {
        let keep = "@param {Whither.Node} node @returns {Whither.Keep} */";
        let verdict = "@param {Whither.Input} input @returns {Whither.Verdict} */";
        check("function filter(node) { }", &format!("/** {keep}function filter(node) {{ }}"));
        check("async function filter(node) { }", &format!("/** {keep}async function filter(node) {{ }}"));
        check("const x = 1, filter = node => 1", &format!("const x = 1, filter = /** {keep}node => 1"));
        check("function(input) { }", &format!("var balance$=/** {verdict}function(input) {{ }}"));
        check("// a\nfunction  (input) { }", &format!("// a\nvar balance$=/** {verdict}function  (input) {{ }}"));
        check("((input) => 'a')", &format!("(/** {verdict}(input) => 'a')"));
        check(
            "function help(a) { }\nfunction balance(input) { }",
            &format!("function help(a) {{ }}\n/** {verdict}function balance(input) {{ }}"),
        );
        check(
            "function score(n, {user}) { } function filter(...all) { }",
            "/** @param {Whither.Node} n @param {Whither.Request} its1 @returns {Whither.Points} */\
             function score(n, {user}) { } /** @returns {Whither.Keep} */function filter(...all) { }",
        );
        check(
            "function key(r) { } function filter(node, pool) { }",
            "/** @param {Whither.Request} r */function key(r) { } \
             /** @param {Whither.Node} node @param {ReturnType<typeof key>} pool @returns {Whither.Keep} */\
             function filter(node, pool) { }",
        );
    }

    #[test]
    fn globals_are_declared_behind_the_last_line_and_own_types_stay() {
        let text = "function(input) { for (i in input.nodes) { last = i } }";
        let source = SourceText { file: "a.js".into(), text: text.into() };
        assert!(annotate(&source, 100).unwrap().ends_with("}\n;var i, last;\n"));
        let typed = "/** @type {Whither.Filter} */ function filter(node) { }";
        check(typed, typed);
    }
}
