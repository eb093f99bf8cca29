//! The nodes of a case: from the file of tests, another file, a recorded decision, or drawn.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::problem::{Notes, Problem, quoted};
use super::super::section::{Section, SectionEntry};
use super::key::{self, expected};
use super::reader::{SuiteReader, free, seed};
use super::{DEFAULT_SEED, Drawn, MAX_CLUSTERS, MAX_DRAWN_NODES, MAX_NODES, NodeSource};
use crate::model::Report;

impl SuiteReader<'_> {
    /// Reads the nodes of a case: those that the case names, or drawn ones.
    pub(super) fn nodes_of_case(&self, section: &Section<'_>, notes: &mut Notes) -> Option<NodeSource> {
        let Some(entry) = section.get("for_all") else {
            return section.get("nodes").and_then(|entry| self.nodes(&entry, notes));
        };
        if let Some(nodes) = section.get("nodes") {
            let problem = format!("{} stands beside `for_all`, which draws the nodes", quoted(&nodes.path));
            notes.at(&nodes.span, Problem::new(problem).help("leave one of them out"));
        }
        let table = entry.section(&key::of("for_all"), expected("case", "for_all"), notes)?;
        let mut figure = |key: &str, least, most, default| {
            table.get(key).map_or(Some(default), |entry| entry.whole(least, most, notes))
        };
        let clusters = figure("clusters", 1, MAX_CLUSTERS, 100)?;
        let least = figure("min_nodes", 0, MAX_DRAWN_NODES, 1)?;
        let most = figure("max_nodes", 0, MAX_DRAWN_NODES, 20.max(least))?;
        let seed = seed(&table, notes).unwrap_or(DEFAULT_SEED);
        if least > most {
            let problem = format!("{} has {least} nodes at least and {most} at most", quoted(&table.path));
            notes.at(&table.span, Problem::new(problem).help("`min_nodes` may not be more than `max_nodes`"));
            return None;
        }
        Some(NodeSource::ForAll { clusters, sizes: (least, most), seed })
    }

    /// Reads the nodes that `entry` names.
    pub(super) fn nodes(&self, entry: &SectionEntry<'_>, notes: &mut Notes) -> Option<NodeSource> {
        if let Some(items) = entry.items() {
            return inline(entry, &items, notes);
        }
        let section = entry.section(&key::of("nodes"), expected("case", "nodes"), notes)?;
        let path = |key: &str, notes: &mut Notes| {
            let (entry, written) = section.text(key, expected("nodes", key), notes)?;
            let path = self.base.join(written);
            // Looked for here, where the line is known; read when the case is run.
            match self.files.read(&path, 0) {
                Ok(_there) => Some(path),
                Err(fault) => {
                    notes.at(&entry.span, Problem::new(format!("node list {}: {fault}", quoted(written))));
                    None
                }
            }
        };
        let sources = [
            path("file", notes).map(NodeSource::File),
            path("decision", notes).map(NodeSource::Decision),
            section.get("generate").and_then(|entry| drawn(&entry, notes)).map(NodeSource::Generated),
        ];
        let keys = key::of("nodes").into_iter().filter(|key| section.get(key).is_some()).count();
        if keys != 1 {
            let problem = format!("{} needs one of {}", quoted(&section.path), key::of("nodes").join(", "));
            notes.missing(Some(&section.span), Problem::new(problem));
        }
        sources.into_iter().flatten().next()
    }
}

/// The nodes that stand in the file.
fn inline(entry: &SectionEntry<'_>, items: &[SectionEntry<'_>], notes: &mut Notes) -> Option<NodeSource> {
    if items.len() > MAX_NODES as usize {
        let problem = format!("{} has {} nodes, at most {MAX_NODES} are accepted", quoted(&entry.path), items.len());
        notes.at(&entry.span, Problem::new(problem));
        return None;
    }
    let mut reports: Vec<Arc<Report>> = Vec::with_capacity(items.len());
    let mut ids = std::collections::BTreeSet::new();
    for item in items {
        let Some(fields) = free(item, "a table: `{ id = \"a\", sessions = 1 }`", notes) else { continue };
        match Report::from_value(Value::Object(fields)) {
            Ok(report) if !ids.insert(Arc::clone(&report.id)) => {
                let problem = format!("{} has the id {} of an earlier node", quoted(&item.path), quoted(&report.id));
                notes.at(&item.span, Problem::new(problem));
            }
            Ok(report) => reports.push(Arc::new(report)),
            Err(error) => notes.at(&item.span, Problem::new(format!("{}: {error}", quoted(&item.path)))),
        }
    }
    Some(NodeSource::Inline(reports))
}

fn drawn(entry: &SectionEntry<'_>, notes: &mut Notes) -> Option<Drawn> {
    let section = entry.section(&key::of("generate"), expected("nodes", "generate"), notes)?;
    let count = section.get("count").map_or(Some(20), |entry| entry.whole(1, MAX_NODES, notes))?;
    let with = match section.get("with") {
        Some(entry) => free(&entry, expected("generate", "with"), notes)?,
        None => Map::new(),
    };
    Some(Drawn { count, seed: seed(&section, notes).unwrap_or(DEFAULT_SEED), with })
}
