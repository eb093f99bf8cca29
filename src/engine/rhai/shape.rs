//! The shape of a script, read from the functions: which functions exist, and their dependencies.

use rhai::{AST, ScriptFnMetadata};

use crate::script::{Arity, LoadError, PerNode, ScriptShape};

const EXPECTED: &str = "expected one function of the list, `fn balance(input) { … }` (a lone function whose parameter is \
    called `input` will do), or functions of one node, `fn filter(node)` and `fn score(node)`";

/// A source with the shape.
pub(super) struct RhaiSource {
    pub(super) shape: ScriptShape,
    /// The name of the whole-list function; empty for a per-node script.
    pub(super) entry: String,
    /// The names of the request parameter in the functions that receive the request.
    pub(super) request_names: Vec<String>,
}

/// Reads the functions of `ast`.
pub(super) fn read(ast: &AST) -> Result<RhaiSource, LoadError> {
    let functions: Vec<ScriptFnMetadata<'_>> = ast.iter_functions().filter(|function| is_plain(function)).collect();
    let named = |name: &str| -> Vec<&[&str]> {
        functions.iter().filter(|function| function.name == name).map(|function| &*function.params).collect()
    };
    let (filter, score) = (arity("filter", &named("filter"))?, arity("score", &named("score"))?);
    let key = match named("key").as_slice() {
        [] => None,
        [[request]] => Some(*request),
        _ => return Err(LoadError::new("`key` takes one parameter, the request")),
    };
    let per_node = filter.is_some() || score.is_some();
    let lone: Vec<&str> =
        functions.iter().filter(|function| *function.params == ["input"]).map(|function| function.name).collect();
    let whole = match (named("balance").as_slice(), lone.as_slice()) {
        ([[_]], _) => Some("balance"),
        ([_, ..], _) => return Err(LoadError::new("`balance` takes one parameter, the input, and stands there once")),
        ([], [name]) if !per_node => Some(*name),
        ([], [_, _, ..]) if !per_node => {
            return Err(LoadError::new(format!("several functions have a parameter `input`: {EXPECTED}")));
        }
        ([], _) => None,
    };
    match (whole, per_node) {
        (Some(name), true) => Err(LoadError::new(format!(
            "the script has both `{name}`, a function of the list, and `filter` or `score`, functions of one node: make \
             them two steps"
        ))),
        (Some(name), false) => {
            let parameter = functions.iter().find(|function| function.name == name);
            let request_names = parameter.into_iter().flat_map(|function| &function.params).map(|name| (*name).into());
            Ok(RhaiSource {
                shape: ScriptShape::WholeList,
                entry: name.to_owned(),
                request_names: request_names.collect(),
            })
        }
        (None, true) => {
            let shape = PerNode { filter, score, key: key.is_some() };
            if shape.key && ![filter, score].contains(&Some(Arity::NodeAndRequest)) {
                return Err(LoadError::new(
                    "`key` says what functions of two parameters depend on, but `filter` and `score` have one",
                ));
            }
            let second = ["filter", "score"].into_iter().flat_map(&named).filter_map(|params| params.get(1).copied());
            let request_names = key.map_or_else(|| second.map(str::to_owned).collect(), |name| vec![name.to_owned()]);
            Ok(RhaiSource { shape: ScriptShape::PerNode(shape), entry: String::new(), request_names })
        }
        (None, false) if functions.is_empty() => Err(LoadError::new(format!("the script has no function: {EXPECTED}"))),
        (None, false) => Err(LoadError::new(format!("none of the script's functions is known: {EXPECTED}"))),
    }
}

/// Whether `function` is called by name alone: neither a closure nor a method of some type.
pub(super) fn is_plain(function: &ScriptFnMetadata<'_>) -> bool {
    function.this_type.is_none() && !is_closure(function)
}

/// Whether `function` has no name in the source.
pub(super) fn is_closure(function: &ScriptFnMetadata<'_>) -> bool {
    function.name.starts_with("anon$")
}

fn arity(name: &str, found: &[&[&str]]) -> Result<Option<Arity>, LoadError> {
    match found {
        [] => Ok(None),
        [[_]] => Ok(Some(Arity::Node)),
        [[_, _]] => Ok(Some(Arity::NodeAndRequest)),
        [_] => Err(LoadError::new(format!("`{name}` takes one parameter, the node, or two, the node and the request"))),
        [_, _, ..] => Err(LoadError::new(format!(
            "there are several functions `{name}`: how many parameters it has says what it depends on, so there is one"
        ))),
    }
}
