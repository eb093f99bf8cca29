//! The circles among the files below `src`: files that lean on each other, in a round through more than one folder.
//!
//! A file leans on the file that defines what the first file names, through whatever modules hand the name on; a
//! module's name alone is nothing to lean on, and a `use` of everything hands nothing on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::{Kind, Named, Source};

/// The most modules that one name is followed through.
const MOST_STEPS: usize = 8;

type Edges<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Returns the shortest circle for each file that leans on a file of another folder from where a way leads back: the
/// two files, and the way. A module and its own children may lean on each other.
pub(crate) fn circles(sources: &[(String, Source)]) -> Vec<Vec<&str>> {
    let edges = Names::of(sources).edges(sources);
    let pairs = edges.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, *to)));
    let is_far = |(from, to): &(&str, &str)| folder(from) != folder(to) && !is_child(from, to) && !is_child(to, from);
    pairs.filter(is_far).filter_map(|(from, to)| way(&edges, to, from)).collect()
}

/// What each module is called and what it imports.
struct Names<'a> {
    files: BTreeMap<Vec<String>, &'a str>,
    imports: BTreeMap<(&'a [String], &'a str), &'a Named>,
}

impl<'a> Names<'a> {
    fn of(sources: &'a [(String, Source)]) -> Self {
        let files = sources.iter().map(|(path, source)| (source.module.clone(), path.as_str())).collect();
        let named = sources.iter().flat_map(|(_, source)| &source.named);
        let imports = named.filter_map(|named| match &named.kind {
            Kind::Imported(name) => Some(((named.module.as_slice(), name.as_str()), named)),
            _ => None,
        });
        Self { files, imports: imports.collect() }
    }

    fn edges(&self, sources: &'a [(String, Source)]) -> Edges<'a> {
        let leans = |(path, source): &'a (String, Source)| {
            let all = source.named.iter().filter_map(|named| self.definer(named, MOST_STEPS));
            (path.as_str(), all.filter(|to| to != path).collect())
        };
        sources.iter().map(leans).collect()
    }

    /// Returns the file that defines `named`, or `None` where that is a module, or outside of the crate.
    fn definer(&self, named: &Named, steps: usize) -> Option<&'a str> {
        let child = [named.module.as_slice(), &named.segments[..1]].concat();
        let path = match named.absolute() {
            Some(path) => path,
            None if self.files.contains_key(&child) => [child.as_slice(), &named.segments[1..]].concat(),
            None => return self.imported(&named.module, &named.segments, steps),
        };
        let length = (1..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let is_item = rest.first().is_some_and(|name| name != "self");
        is_item.then(|| self.imported(module, rest, steps).unwrap_or(self.files[module]))
    }

    /// Follows the `use` in `module` that brings the first of `segments` there.
    fn imported(&self, module: &[String], segments: &[String], steps: usize) -> Option<&'a str> {
        let import = self.imports.get(&(module, segments[0].as_str()))?;
        let whole = import.segments.strip_suffix(&["self".to_owned()]).unwrap_or(&import.segments);
        let segments = [whole, &segments[1..]].concat();
        let next = Named { segments, line: 0, kind: Kind::Used, module: import.module.clone() };
        self.definer(&next, steps.checked_sub(1)?)
    }
}

/// Returns `end` and the shortest way from `start` back to `end`.
fn way<'a>(edges: &Edges<'a>, start: &'a str, end: &'a str) -> Option<Vec<&'a str>> {
    let (mut ways, mut seen) = (VecDeque::from([vec![end, start]]), BTreeSet::from([start]));
    while let Some(way) = ways.pop_front() {
        let next = edges.get(way[way.len() - 1])?;
        if next.contains(end) {
            return Some(way);
        }
        let new = next.iter().filter(|file| seen.insert(**file));
        ways.extend(new.map(|file| [way.as_slice(), &[*file]].concat()));
    }
    None
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether the file `path` is a child of the module in the file `of`.
fn is_child(path: &str, of: &str) -> bool {
    let module = |path: &str| path.trim_end_matches(".rs").trim_end_matches("/mod").to_owned();
    folder(&module(path)) == module(of)
}
