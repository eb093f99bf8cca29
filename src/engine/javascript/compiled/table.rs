//! The nodes and the request as compiled code reads them: columns of cells, records and lists in the module's memory.
//!
//! A column is written once and then changed by row with the cluster; of a changed row, only the cells are written that
//! depend on a changed part of the node: a reservation writes a single cell. Behind the columns lie the lists of their
//! cells, and behind these the values that a single call makes.

use std::collections::BTreeMap;
use std::rc::Rc;

use wasmtime::{Memory, Store};

use crate::model::{Candidate, Cluster, ClusterIdentity, NodeParts, SlotIndex};
use crate::script::ScriptRequest;

use super::cells::{CellWriter, Full, NodeCell, at_hand, found, grow, put};
use super::emit::{COLUMNS_AT, ROW_COUNT_AT};
use super::host::Surroundings;
use super::paths::{NODE, PathId, Paths, REQUEST};
use super::request::{RequestCell, RequestSource};
use super::value::{self, LIST_BYTES};

/// The most changes that are written within the time of the script: to pause that time takes two system calls.
const FEW_CHANGES: u64 = 8;
/// The most bytes of documents that are read meanwhile.
const FEW_BYTES: usize = 32 << 10;
/// Where the request's record lies.
pub(super) const REQUEST_AT: u32 = 2048;
/// Where columns begin.
const ROWS_AT: u32 = 4096;
/// The least room of the columns, in rows. Columns have room for half as many rows more than there are slots.
const MIN_ROWS: usize = 64;
/// The most bytes of texts that the columns of a script may have; beyond, all texts are written anew.
const MAX_TEXTS: usize = 8 << 20;
/// The highest end of lists of cells; beyond, everything is written anew.
const MAX_END: u32 = 32 << 20;

/// The memory of a module on our side.
pub(super) struct NodeTable {
    memory: Memory,
    paths: Paths,
    /// The columns: the path of each, with its names, and the parts of a node that it holds.
    columns: Vec<NodeColumn>,
    /// The places of the request's record.
    request: Vec<(PathId, RequestSource)>,
    /// How many rows the columns have room for.
    rows: usize,
    /// The generation of the cluster that the table holds.
    told: Option<(ClusterIdentity, u64)>,
    /// The number of texts, without the texts of calls.
    texts: usize,
    /// The number of texts that the script itself has.
    own_texts: usize,
    /// The blocks that hold lists of cells, by column and row, with their bytes.
    blocks: BTreeMap<(usize, usize), (u32, u32)>,
    /// Where the next block goes; what a call makes comes behind.
    end: u32,
    /// The slots that the list of nodes was written for, and where it is.
    listed: Vec<SlotIndex>,
    listed_at: u32,
    listed_room: u32,
    /// The number of that list; `None` where the list has no number.
    listed_number: Option<u64>,
}

impl NodeTable {
    pub(super) fn new(memory: Memory, paths: Paths, texts: usize) -> Self {
        let names = |path: PathId| paths.get(path).map(|path| path.names.clone()).unwrap_or_default();
        let places = |root: usize| paths.roots.get(root).map(|root| root.places.clone()).unwrap_or_default();
        let column = |path: PathId| NodeColumn { path, names: names(path).into(), parts: parts_of(&names(path)) };
        let columns = places(usize::from(NODE)).into_iter().map(column).collect();
        let source = |path: PathId| (path, RequestSource::of(&names(path), paths.has_nodes()));
        let request = places(usize::from(REQUEST)).into_iter().map(source).collect();
        Self {
            memory,
            paths,
            columns,
            request,
            rows: 0,
            told: None,
            texts,
            own_texts: texts,
            blocks: BTreeMap::new(),
            end: ROWS_AT,
            listed: Vec::new(),
            listed_at: 0,
            listed_room: 0,
            listed_number: None,
        }
    }

    /// Whether so little has changed in `cluster` since the last time that writing the changes takes little time.
    pub(super) fn is_near(&self, store: &Store<Surroundings>, cluster: &Cluster) -> bool {
        let Some(told) = self.told_generation(cluster) else { return false };
        if cluster.generation() == told {
            return true;
        }
        let is_few = cluster.generation().saturating_sub(told) <= FEW_CHANGES && self.has_room(store, cluster);
        let Some(mut changed) = cluster.changed_since(told).filter(|_| is_few) else { return false };
        let bytes = |slot| cluster.node(slot).map_or(0, |node| node.report().text.len());
        changed.try_fold(0, |sum, slot| Some(sum + bytes(slot)).filter(|sum| *sum <= FEW_BYTES)).is_some()
    }

    /// The generation of `cluster` that is in the table.
    fn told_generation(&self, cluster: &Cluster) -> Option<u64> {
        let is_known = |told: &&(ClusterIdentity, u64)| told.0.is_same(cluster.identity());
        self.told.as_ref().filter(is_known).map(|(_, generation)| *generation)
    }

    /// Whether there is room for changes, so that not everything has to be written anew.
    fn has_room(&self, store: &Store<Surroundings>, cluster: &Cluster) -> bool {
        cluster.slots() <= self.rows && self.end < MAX_END && store.data().strings.bytes() < MAX_TEXTS
    }

    /// Writes what has changed in `cluster` since the last time; whether anything was done.
    ///
    /// # Errors
    /// Where there is no room.
    pub(super) fn tell(&mut self, store: &mut Store<Surroundings>, cluster: &Cluster) -> Result<bool, Full> {
        let generation = cluster.generation();
        let told = self.told_generation(cluster);
        if told == Some(generation) {
            return Ok(false);
        }
        store.data_mut().strings.truncate(self.texts);
        let changed = told.filter(|_| self.has_room(store, cluster));
        match changed.and_then(|told| cluster.changed_since(told).map(|changed| (told, changed))) {
            Some((told, changed)) => {
                for slot in changed {
                    self.write_row(store, cluster, slot, told)?;
                }
            }
            None => {
                self.told = None;
                let own = self.own_texts;
                store.data_mut().strings.truncate(own);
                self.lay_out(store, cluster)?;
                for (slot, _) in cluster.nodes() {
                    self.write_row(store, cluster, slot, 0)?;
                }
                // What is full from the start would be written anew for every request.
                if !self.has_room(store, cluster) {
                    return Err(Full);
                }
            }
        }
        self.told = Some((cluster.identity().handle(), generation));
        self.texts = store.data().strings.len();
        Ok(true)
    }

    /// Where a call may make what it likes.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// Forgets the texts of a request that was written down before.
    pub(super) fn forget_request(&self, store: &mut Store<Surroundings>) {
        store.data_mut().strings.truncate(self.texts);
    }

    /// Makes room for all rows.
    fn lay_out(&mut self, store: &mut Store<Surroundings>, cluster: &Cluster) -> Result<(), Full> {
        let columns = self.columns.len();
        self.rows = (cluster.slots() + cluster.slots() / 2).max(MIN_ROWS);
        self.blocks.clear();
        (self.listed, self.listed_at, self.listed_room, self.listed_number) = (Vec::new(), 0, 0, None);
        let bytes = |count: usize| u32::try_from(8 * self.rows * count).map_err(|_too_many| Full);
        self.end = ROWS_AT + bytes(columns)?;
        grow(store, self.memory, self.end)?;
        let rows = u32::try_from(self.rows).map_err(|_too_many| Full)?;
        put(store, self.memory, ROW_COUNT_AT as u32, &rows.to_le_bytes())?;
        for place in 0..columns {
            let at = ROWS_AT + bytes(place)?;
            put(store, self.memory, COLUMNS_AT as u32 + 4 * place as u32, &at.to_le_bytes())?;
        }
        Ok(())
    }

    /// Writes the cells of the node in `slot` that changed after `since`.
    fn write_row(
        &mut self,
        store: &mut Store<Surroundings>,
        cluster: &Cluster,
        slot: SlotIndex,
        since: u64,
    ) -> Result<(), Full> {
        let Some(node) = cluster.node(slot) else { return Ok(()) };
        let is_new = |parts: NodeParts| since == 0 || node.revised(parts) > since || node.arrival() > since;
        let columns = self.columns.iter().enumerate().filter(|(_, column)| is_new(column.parts));
        let due: Vec<(usize, PathId, Rc<[String]>)> =
            columns.map(|(place, column)| (place, column.path, Rc::clone(&column.names))).collect();
        // A look into the document costs more than all cells that a reservation changes.
        let known: Vec<Option<NodeCell<'_>>> = due.iter().map(|(.., names)| at_hand(names, node)).collect();
        let unknown = due.iter().zip(&known).filter(|(_, cell)| cell.is_none());
        let wanted: Vec<&str> = unknown.filter_map(|((.., names), _)| names.first().map(String::as_str)).collect();
        let look = node.look_at(Some(&wanted));
        for ((place, path, names), known) in due.iter().zip(known) {
            let (place, path) = (*place, *path);
            let row = slot.index();
            let at = ROWS_AT + u32::try_from(8 * (self.rows * place + row)).map_err(|_too_many| Full)?;
            let before = self.blocks.get(&(place, row)).copied();
            let cell = known.unwrap_or_else(|| found(&look, names, node));
            let row = u32::try_from(row).map_err(|_too_many| Full)?;
            // A list takes its old place where there is room.
            let again = before.and_then(|(block, bytes)| {
                let mut end = block;
                let limit = block + bytes;
                let mut writer =
                    CellWriter { store: &mut *store, memory: self.memory, paths: &self.paths, end: &mut end, limit };
                writer.cell(&cell, path, row).ok()
            });
            let bits = match again {
                Some(bits) => bits,
                None => {
                    let start = self.end;
                    let (memory, paths, limit) = (self.memory, &self.paths, u32::MAX);
                    let mut writer = CellWriter { store: &mut *store, memory, paths, end: &mut self.end, limit };
                    let bits = writer.cell(&cell, path, row)?;
                    if self.end > start {
                        // A list that grew once grows again.
                        let spare = if before.is_some() { (self.end - start) / 2 } else { 0 };
                        self.end += spare;
                        self.blocks.insert((place, slot.index()), (start, self.end - start));
                    }
                    bits
                }
            };
            put(store, self.memory, at, &bits.to_le_bytes())?;
        }
        Ok(())
    }

    /// Writes the record of `asked`, with the list of `candidates`. Returns where a call may make what it likes.
    ///
    /// # Errors
    /// Where there is no room.
    pub(super) fn ask(
        &mut self,
        store: &mut Store<Surroundings>,
        asked: &ScriptRequest<'_>,
        cluster: &Cluster,
        candidates: Option<GivenList<'_>>,
    ) -> Result<u32, Full> {
        let has_nodes = self.request.iter().any(|(_, source)| matches!(source, RequestSource::Nodes));
        let (list, mut end) = match candidates.filter(|_| has_nodes) {
            Some(given) => self.list(store, given)?,
            None => (0, self.end),
        };
        end = end.max(self.end);
        for (place, (path, source)) in (0..).zip(&self.request) {
            let bits = match source.cell(asked, cluster) {
                RequestCell::Nodes => value::list(list),
                cell => {
                    let (memory, paths, limit) = (self.memory, &self.paths, u32::MAX);
                    let mut writer = CellWriter { store: &mut *store, memory, paths, end: &mut end, limit };
                    writer.asked(&cell, *path)?
                }
            };
            put(store, self.memory, REQUEST_AT + 8 * place, &bits.to_le_bytes())?;
        }
        Ok(end)
    }

    /// Writes the list of `candidate` alone into the request's record, of which nothing else is read. Returns where a
    /// call may make what it likes.
    ///
    /// # Errors
    /// Where there is no room.
    pub(super) fn show(
        &mut self,
        store: &mut Store<Surroundings>,
        candidate: &Candidate,
        owner: Owner,
    ) -> Result<u32, Full> {
        let given = GivenList { candidates: std::slice::from_ref(candidate), owner, number: None };
        let (list, end) = self.list(store, given)?;
        for (place, (_, source)) in (0..).zip(&self.request) {
            if matches!(source, RequestSource::Nodes) {
                put(store, self.memory, REQUEST_AT + 8 * place, &value::list(list).to_le_bytes())?;
            }
        }
        Ok(end.max(self.end))
    }

    /// Writes the list of `candidates`: where it is, and what comes behind it.
    fn list(
        &mut self,
        store: &mut Store<Surroundings>,
        GivenList { candidates, owner, number }: GivenList<'_>,
    ) -> Result<(u32, u32), Full> {
        let count = u32::try_from(candidates.len()).map_err(|_too_many| Full)?;
        let has_number = number.is_some() && number == self.listed_number;
        let is_same = || {
            self.listed.len() == candidates.len()
                && self.listed.iter().zip(candidates).all(|(listed, candidate)| *listed == candidate.slot)
        };
        if owner == Owner::Shared && self.listed_room > 0 && (has_number || is_same()) {
            self.listed_number = number;
            return Ok((self.listed_at, self.end));
        }
        let bytes = LIST_BYTES + 8 * count;
        let at = match owner {
            // It stays, and the next one of its size takes its place.
            Owner::Shared if self.listed_room >= count => self.listed_at,
            Owner::Shared => {
                let at = self.end;
                self.end += bytes;
                self.listed_room = count;
                at
            }
            Owner::Script => self.end,
        };
        let mut image = Vec::with_capacity(bytes as usize);
        for word in [count, count, at + LIST_BYTES, u32::from(owner == Owner::Shared)] {
            image.extend_from_slice(&word.to_le_bytes());
        }
        for candidate in candidates {
            let row = u32::try_from(candidate.slot.index()).map_err(|_too_many| Full)?;
            image.extend_from_slice(&value::object(NODE, row).to_le_bytes());
        }
        grow(store, self.memory, at + bytes)?;
        put(store, self.memory, at, &image)?;
        if owner == Owner::Shared {
            self.listed = candidates.iter().map(|candidate| candidate.slot).collect();
            (self.listed_at, self.listed_number) = (at, number);
        }
        Ok((at, at + bytes))
    }
}

/// A list of nodes that a function is given.
#[derive(Clone, Copy)]
pub(super) struct GivenList<'a> {
    pub(super) candidates: &'a [Candidate],
    pub(super) owner: Owner,
    /// A number that no other list has: a list of this number need not be looked through again.
    pub(super) number: Option<u64>,
}

/// Whose a list of nodes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody writes to it.
    Shared,
    /// The call's.
    Script,
}

/// A column of the nodes.
struct NodeColumn {
    path: PathId,
    names: Rc<[String]>,
    parts: NodeParts,
}

/// The parts of a node that the field at `names` lies in.
fn parts_of(names: &[String]) -> NodeParts {
    match names {
        [first, second, ..] if first == "nodeData" => NodeParts::of_data_field(second),
        // It is an object, whatever the node reports.
        [first] if first == "nodeData" => NodeParts::NONE,
        [first, ..] => NodeParts::of_field(first),
        [] => NodeParts::ALL,
    }
}
