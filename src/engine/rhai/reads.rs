//! The parts of a node that a per-node function can read, found from the words of the source.
//!
//! A Rhai function sees its parameters and nothing else of the caller, so the fields that the function reads of the
//! node follow the parameter's name. Any other use of the name counts as reading all.

use crate::engine::reads::Reads;
use crate::model::NodeParts;

use super::definitions::Definitions;
use super::mentions::{field, words};

/// The field with subfields in different parts of the node, which therefore is analysed further.
const DATA: &str = "nodeData";

/// Returns the parts that the functions of `definitions` read; all parts, where `definitions` is `None` or lacks a
/// function.
pub(super) fn reads(definitions: Option<&Definitions<'_>>) -> Reads {
    Reads::new(|name| {
        let definition = definitions.and_then(|definitions| definitions.get(name));
        let parameter = definition.as_ref().and_then(|definition| definition.parameters.first());
        definition.as_ref().zip(parameter).map_or(NodeParts::ALL, |(definition, name)| read_in(definition.body, name))
    })
}

/// Returns the parts of the node called `name` that `body` reads.
fn read_in(body: &str, name: &str) -> NodeParts {
    let uses = words(body).filter(|(_, word)| *word == name);
    let parts = uses.map(|(start, word)| {
        let is_own_name = body.get(..start).is_some_and(|before| !before.trim_end().ends_with('.'));
        let behind = body.get(start + word.len()..).unwrap_or_default();
        match field(behind).filter(|_| is_own_name) {
            Some((DATA, behind)) => field(behind).map_or(NodeParts::ALL, |(name, _)| NodeParts::of_data_field(name)),
            Some((name, _)) => NodeParts::of_field(name),
            None => NodeParts::ALL,
        }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::super::comments::without_comments;
    use super::*;
    use crate::script::NodeFunction;
    use rhai::Engine;

    const S: NodeParts = NodeParts::SESSIONS;
    const H: NodeParts = NodeParts::HEALTH;
    const R: NodeParts = NodeParts::REST;
    const ALL: NodeParts = NodeParts::ALL;

    fn read(source: &str) -> Reads {
        let ast = Engine::new().compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let code = without_comments(source);
        reads(code.as_deref().and_then(|code| Definitions::of(&ast, code)).as_ref())
    }

    #[track_caller]
    fn check(source: &str, expected: NodeParts) {
        assert_eq!(read(source).by(NodeFunction::Score), expected, "{source}");
    }

    #[test]
    fn fields_behind_the_name_are_read() {
        for (body, expected) in [
            ("1", NodeParts::NONE),
            ("node.metadata.gpu", R),
            ("node.sessions - node . freemem", S.and(H)),
            ("node?.cpu ?? 0", H),
            ("node.nodeData.health.cpu.load1", H),
            ("node?.nodeData?.sessions.filter(|s| s.user == `ann`).len()", S),
            ("node.nodeData.services.len() / node.nodeData.other", R),
            ("`${node.id}: ${node.cpu}`", R.and(H)),
            ("let f = || node.sessions; f.call()", S),
            ("node.rank = node.cpu; node.urls.push(1); node.rank", H.and(R)),
            ("if node.sessions != () && node.cpu!=1 { 1 }", S.and(H)),
            ("node.cpu // of the node\n", H),
            ("/* node */ node.cpu / 2", H),
            ("for s in node.nodeData.sessions { if s in node.metadata { return 1; } }", S.and(R)),
        ] {
            check(&format!("fn score(node) {{ {body} }}"), expected);
        }
    }

    #[test]
    fn any_other_use_of_the_name_reads_all() {
        for body in [
            "node",
            "node.nodeData",
            "helper(node)",
            "let n = node; n.sessions",
            "node = 1",
            "let node = 1; node.cpu",
            "node[\"cpu\"]",
            "node?[\"cpu\"]",
            "node[`nodeData`].sessions",
            "node.nodeData[\"sessions\"]",
            "node.keys()",
            "node.keys /* a */ ()",
            "node /* a */ .keys()",
            "node. /* a */ keys()",
            "node.get(\"sessions\")",
            "node?.to_map()",
            "node.nodeData.values()",
            "node.nodeData.values ()",
            "node.call(f)",
            "f.call(node)",
            "\"cpu\" in node",
            "let xfn = 1; xfn in (node)",
            "// the fn\n helper(node)",
            "`a ${node}`",
            "`a // ${helper(node)}`",
            "\"//\" + node",
            "[1].map(|node| node.cpu)",
            "[node][0].sessions",
            "#{node: 1}",
            "other.node.cpu",
            "switch node { _ => 1 }",
            "node.nodeData = #{}",
            "node == 1",
            "node.cpu + #\"// \"# + node",
            "\"fn\"",
            "helper!()",
            "helper ! (1)",
            "helper /* a */ ! /* b */ (1)",
            "let f = || helper!(); f.call()",
        ] {
            check(&format!("fn score(node) {{ {body} }}"), ALL);
        }
    }

    #[test]
    fn each_function_reads_its_own() {
        for (source, expected) in [
            ("fn filter(node) { node.cpu } private fn score(n) { n.sessions } fn help(n) { n }", (H, S)),
            ("fn filter(node, key) { node.cpu + key.sessions }\nfn key(node) { node }", (H, ALL)),
            (
                "fn score /* a */ (\n  node // b\n , key) { node.metadata } const node = 1; fn filter(x) { x.cpu }",
                (H, ALL),
            ),
            ("fn filter(n) { n.cpu } fn score(m) { m.id } fn map.filter() { this }", (H, R)),
            ("fn filter(n) { n.cpu } fn filter.score() { this }", (H, ALL)),
            ("fn filter(n) { n.cpu } fn score(m) { \"fn \" }", (ALL, ALL)),
            ("fn filter(n) { let f = |x| n.cpu; f.call(1) } fn score(m) { m.id } // fn", (H, R)),
        ] {
            let reads = read(source);
            assert_eq!((reads.by(NodeFunction::Filter), reads.by(NodeFunction::Score)), expected, "{source}");
        }
    }
}
