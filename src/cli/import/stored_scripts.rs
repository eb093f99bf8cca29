//! The balancer scripts in the documents of a FastX 3 store, and the chains that the documents name.
//!
//! The shape of these documents is not public beyond their outlines, so nothing here depends on one shape: a script is a
//! text that is a function, its name and its place in a chain are said by the fields and keys around the text, and a
//! chain is named by a text that is the name of a script. What is about load balancing and is neither is reported with
//! its path.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cli::fastx::FASTX_NAMES;
use crate::model::head::DEFAULT_ACTION;

use super::document_path::{DocumentPath, ScriptHolders, text, visit};
use super::found::{ChainPlace, ChainTarget, FoundScript, JAVASCRIPT, ScriptBody, ServerData, predefined};
use super::function_text::is_function;
use super::report::{ImportOutcome, ImportReport};
use super::store::StoreDocument;
use super::words::{is_about_jobs, is_about_scripts, words};

/// The most scripts that are taken.
const MAX_SCRIPTS: usize = 500;
/// The most bytes of a text that may be the name of a script.
const MAX_NAME_BYTES: usize = 256;
/// The most paths that a line names.
const MAX_PATHS: usize = 5;
/// The fields that identify a server.
const SERVER_IDS: [&str; 5] = ["serverId", "id", "_id", "hostname", "name"];

/// The findings in a store.
#[derive(Debug, Default)]
pub(super) struct StoreContents {
    pub(super) scripts: Vec<FoundScript>,
    pub(super) places: Vec<ChainPlace>,
    pub(super) servers: Vec<ServerData>,
}

/// The scripts by every name that they have, in words.
type KnownNames = BTreeMap<String, ChainTarget>;

impl StoreContents {
    /// Reads `documents`; `contents` has what was found elsewhere, which the documents may name.
    pub(super) fn read(documents: &[StoreDocument], mut contents: Self, report: &mut ImportReport) -> Self {
        let (files, places, mut holders) = (contents.scripts.len(), contents.places.len(), ScriptHolders::new());
        for document in documents {
            visit(&document.value, &DocumentPath::root(document), &mut |value, way| {
                contents.definition(value, way, &mut holders, report);
            });
        }
        let known = contents.known_names();
        for document in documents {
            let mut strange = Vec::new();
            visit(&document.value, &DocumentPath::root(document), &mut |value, way| {
                if !contents.reference(value, way, &known, &holders) && way.is_strange(value, &holders) {
                    strange.push(way.path());
                }
            });
            report_strange(document, &strange, report);
        }
        if !documents.is_empty() && contents.scripts.len() == files && contents.places.len() == places {
            let source = documents.first().map_or("", |document| &document.source);
            report.add(ImportOutcome::NotImported, source, "", "no balancer script in the documents of this store");
        }
        contents
    }

    /// Takes `value` where the value is a script, or the static data of a server.
    fn definition(
        &mut self,
        value: &Value,
        way: &DocumentPath<'_>,
        holders: &mut ScriptHolders,
        report: &mut ImportReport,
    ) {
        let source = way.document.source.clone();
        if let (Value::Object(data), true) = (value, way.is_static_data()) {
            let holder =
                |names: &Map<String, Value>| SERVER_IDS.iter().find_map(|id| text(names, id)).map(str::to_owned);
            let server = way.holder.and_then(holder).unwrap_or_else(|| way.document.id.clone());
            self.servers.push(ServerData { server, data: data.clone(), source, place: way.path() });
            return;
        }
        let Some(text) = value.as_str().filter(|text| is_function(text)) else { return };
        holders.extend(way.parent.map(DocumentPath::full_path));
        if way.keys().any(is_about_jobs) || is_about_jobs(&way.document.id) {
            let message = "a job script starts sessions, and chooses no server";
            let advice = "an agent runs such a script as a program: see the guide \"Move from FastX\"";
            return report.advise(ImportOutcome::NotImported, &source, &way.path(), message, advice);
        }
        if self.scripts.len() >= MAX_SCRIPTS {
            let message = format!("past {MAX_SCRIPTS} scripts");
            return report.add(ImportOutcome::NotImported, &source, &way.path(), message);
        }
        let (name, ids) = way.names();
        let builtin = predefined(&name);
        let script = FoundScript {
            name,
            ids,
            body: ScriptBody::Text(text.to_owned(), JAVASCRIPT),
            source,
            place: way.path(),
            builtin,
        };
        let target = builtin.map_or(ChainTarget::Script(self.scripts.len()), ChainTarget::Builtin);
        self.places.push(way.place(target));
        self.scripts.push(script);
    }

    fn known_names(&self) -> KnownNames {
        let mut known: KnownNames =
            FASTX_NAMES.into_iter().map(|(name, builtin)| (in_words(name), ChainTarget::Builtin(builtin))).collect();
        for (number, script) in self.scripts.iter().enumerate() {
            let target = script.builtin.map_or(ChainTarget::Script(number), ChainTarget::Builtin);
            for id in &script.ids {
                known.entry(in_words(id)).or_insert(target);
            }
        }
        known
    }

    /// Takes `value` where the value names a script in a chain. Whether it does.
    fn reference(
        &mut self,
        value: &Value,
        way: &DocumentPath<'_>,
        known: &KnownNames,
        holders: &ScriptHolders,
    ) -> bool {
        let Some(named) = value.as_str().filter(|named| named.len() <= MAX_NAME_BYTES) else { return false };
        let Some(target) = known.get(&in_words(named)) else { return false };
        let is_of_item = way.parent.is_some_and(|parent| parent.is_item);
        let is_own_name = way.parent.is_some_and(|parent| holders.contains(&parent.full_path()));
        let is_about = || way.keys().chain([way.document.id.as_str()]).any(is_about_scripts);
        if is_own_name || way.is_name() && !is_of_item || way.key_action().is_none() && !is_about() {
            return false;
        }
        let mut place = way.place(*target);
        // The store says that there is a choice; of FastX's two chains every site has the one that starts sessions.
        place.action = place.action.or(Some(DEFAULT_ACTION));
        place.is_listed = true;
        self.places.push(place);
        true
    }
}

fn report_strange(document: &StoreDocument, strange: &[String], report: &mut ImportReport) {
    let Some(first) = strange.first() else { return };
    let named: Vec<_> = strange.iter().take(MAX_PATHS).map(|path| format!("`{path}`")).collect();
    let more = strange.len().saturating_sub(MAX_PATHS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("not understood: {}{more}", named.join(", "));
    let place = first.split(": ").next().unwrap_or_default();
    report.add(ImportOutcome::NotImported, &document.source, place, message);
}

fn in_words(name: &str) -> String {
    words(name).join(" ")
}

#[cfg(test)]
mod tests;
