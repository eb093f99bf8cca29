//! Advice on missing fields: the field that a script probably meant.

/// The ways to objects and lists of a node and of a request, as scripts write them behind the variable.
const WAYS: [&str; 18] = [
    "nodeData",
    "nodeData.health",
    "nodeData.health.cpu",
    "nodeData.health.mem",
    "nodeData.services",
    "nodeData.sessions",
    "metadata",
    "staticData",
    "metrics",
    "urls",
    "loadavg",
    "user",
    "userGroups",
    "params",
    "params.me",
    "params.start",
    "nodes",
    "servers",
];

/// The objects of a node with fields that an administrator names freely.
const FREE: [&str; 3] = ["metadata", "staticData", "metrics"];

/// Returns words for the end of an error about a member that is read behind `before`, the line up to the member's name:
/// which object is not there, and which was probably meant. Empty where the object is no plain path.
pub(super) fn missing(before: &str) -> String {
    let object = before.trim_end();
    let object = object.strip_suffix(['.', '[']).map(|object| object.strip_suffix('?').unwrap_or(object));
    let Some(path) = object.filter(|object| object.ends_with(is_in_name)).and_then(last_path) else {
        return String::new();
    };
    let advice = meant(path).map(|way| format!("; did you mean `{way}`?")).unwrap_or_default();
    format!(": `{path}` is not there{advice}")
}

/// Returns the path of names and dots that `text` ends with.
fn last_path(text: &str) -> Option<&str> {
    let start = text.char_indices().rev().take_while(|(_, c)| is_in_name(*c) || *c == '.').last()?.0;
    text.get(start..).filter(|path| path.starts_with(is_in_name))
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Returns the way that was probably meant by `path`, with the variable that the path begins with: for `node.static`,
/// `node.staticData`.
fn meant(path: &str) -> Option<String> {
    let (variable, way) = path.split_once('.')?;
    if FREE.iter().any(|free| way.strip_prefix(free).is_some_and(|rest| rest.starts_with('.'))) {
        return None;
    }
    let last = |way: &str| way.rsplit('.').next().unwrap_or_default().to_lowercase();
    let word = Some(last(way)).filter(|word| word.len() <= 64)?;
    let near = |known: &&&str| {
        let own = last(known);
        let distance = strsim::damerau_levenshtein(&word, &own);
        // `static` is the beginning of `staticData`, and `health` the end of `nodeData.health`.
        if distance > own.len() / 3 && word.len() >= 4 && own.starts_with(&word) { 2 } else { distance }
    };
    let best = WAYS.iter().min_by_key(near).filter(|known| near(known) <= last(known).len() / 3)?;
    (*best != way).then(|| format!("{variable}.{best}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_that_is_not_there_is_named() {
        for (before, expected) in [
            ("  if (node.static.", ": `node.static` is not there; did you mean `node.staticData`?"),
            ("ü => ä.b?.", ": `ä.b` is not there"),
            ("x[", ": `x` is not there"),
            ("f(x).", ""),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(missing(before), expected, "{before}");
        }
    }

    #[test]
    fn a_way_that_is_not_there_leads_to_one_that_is() {
        for (path, expected) in [
            ("node.static", Some("node.staticData")),
            ("n.metaData", Some("n.metadata")),
            ("node.health", Some("node.nodeData.health")),
            ("node.nodeData.memory", None),
            ("node.health.mem", Some("node.nodeData.health.mem")),
            ("input.usergroup", Some("input.userGroups")),
            ("input.node", Some("input.nodes")),
            ("node.metadata", None),
            ("node.staticData.users", None),
            ("x", None),
            ("input.nothing", None),
        ] {
            assert_eq!(meant(path).as_deref(), expected, "{path}");
        }
    }
}
