//! The ways into nodes, the request and objects of the script's own on which compiled code reads them.
//!
//! An object is a path and a row: `node.staticData` is the path of that name in the node's row. So no object exists, and
//! what a field holds lies in a column (nodes) or at a place of a record (the request, elements of lists, literals).

use std::collections::BTreeSet;

/// A path, by number.
pub(super) type PathId = u16;

/// The nodes.
pub(super) const NODE: PathId = 0;
/// The request.
pub(super) const REQUEST: PathId = 1;
/// More paths than these are not compiled for.
const MAX_PATHS: usize = 256;
/// The members of the input that are the list of nodes.
const NODE_LISTS: [&str; 2] = ["nodes", "servers"];

/// What paths begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RootKind {
    /// Rows of a table: the nodes.
    Table,
    /// A record of its own.
    Record,
}

/// What paths begin at, with the places that its fields have.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) kind: RootKind,
    /// The path of each place.
    pub(super) places: Vec<PathId>,
}

/// One path.
#[derive(Clone, Debug)]
pub(super) struct PathDef {
    pub(super) root: usize,
    /// The names from the root on.
    pub(super) names: Vec<String>,
    /// The place in the root.
    pub(super) place: usize,
    /// The path of the elements, where they are objects and somebody reads one.
    pub(super) items: Option<PathId>,
}

/// All paths of a function.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) roots: Vec<Root>,
    pub(super) list: Vec<PathDef>,
    /// Whether the request has the list of nodes.
    whole_list: bool,
}

impl Paths {
    pub(super) fn new(whole_list: bool) -> Self {
        let mut paths = Self { roots: Vec::new(), list: Vec::new(), whole_list };
        paths.root(RootKind::Table);
        paths.root(RootKind::Record);
        paths
    }

    /// The path of a new root; absent where there are too many.
    pub(super) fn root(&mut self, kind: RootKind) -> Option<PathId> {
        let root = self.roots.len();
        self.roots.push(Root { kind, places: Vec::new() });
        self.add(PathDef { root, names: Vec::new(), place: 0, items: None })
    }

    fn add(&mut self, path: PathDef) -> Option<PathId> {
        let id = u16::try_from(self.list.len()).ok().filter(|_| self.list.len() < MAX_PATHS)?;
        self.list.push(path);
        Some(id)
    }

    /// The field `name` of what lies at `path`.
    pub(super) fn field(&mut self, path: PathId, name: &str) -> Option<PathId> {
        let def = self.list.get(path as usize)?;
        let (root, mut names) = (def.root, def.names.clone());
        names.push(name.to_owned());
        if let Some(known) = self.list.iter().position(|other| other.root == root && other.names == names) {
            return u16::try_from(known).ok();
        }
        let place = self.roots.get(root)?.places.len();
        let field = self.add(PathDef { root, names, place, items: None })?;
        self.roots.get_mut(root)?.places.push(field);
        Some(field)
    }

    /// The path of the elements of the list at `path`.
    pub(super) fn items(&mut self, path: PathId) -> Option<PathId> {
        let def = self.list.get(path as usize)?;
        if self.is_node_list(path) {
            return Some(NODE);
        }
        if let Some(items) = def.items {
            return Some(items);
        }
        let items = self.root(RootKind::Record)?;
        self.list.get_mut(path as usize)?.items = Some(items);
        Some(items)
    }

    /// Whether what lies at `path` is the list of nodes.
    pub(super) fn is_node_list(&self, path: PathId) -> bool {
        let Some(def) = self.list.get(path as usize) else { return false };
        let is_named = matches!(def.names.as_slice(), [name] if NODE_LISTS.contains(&name.as_str()));
        self.whole_list && def.root == usize::from(REQUEST) && is_named
    }

    /// Whether the request has the list of nodes.
    pub(super) fn has_nodes(&self) -> bool {
        self.whole_list
    }

    pub(super) fn get(&self, path: PathId) -> Option<&PathDef> {
        self.list.get(path as usize)
    }

    /// What `path` begins at.
    pub(super) fn root_of(&self, path: PathId) -> Option<&Root> {
        self.roots.get(self.get(path)?.root)
    }
}

/// Where a list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ListOrigin {
    /// It lies at this path.
    Field(PathId),
    /// The script makes it, at this place of its text.
    Site(usize),
}

/// What a value may be beside numbers, texts and the like, as far as the text of the script shows: a guess, which tells
/// what to look for and is checked when the code runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Objects at these paths.
    pub(super) objects: BTreeSet<PathId>,
    /// Lists from there.
    pub(super) lists: BTreeSet<ListOrigin>,
}

impl Shape {
    /// An object at `path`.
    pub(super) fn object(path: PathId) -> Self {
        Self { objects: BTreeSet::from([path]), ..Self::default() }
    }

    /// A list that the script makes at this place.
    pub(super) fn site(site: usize) -> Self {
        Self { lists: BTreeSet::from([ListOrigin::Site(site)]), ..Self::default() }
    }

    /// Whatever lies at `path`.
    pub(super) fn at(path: PathId) -> Self {
        Self { objects: BTreeSet::from([path]), lists: BTreeSet::from([ListOrigin::Field(path)]) }
    }

    /// Adds what `other` may be; whether that is anything new.
    pub(super) fn add(&mut self, other: &Self) -> bool {
        let before = (self.objects.len(), self.lists.len());
        self.objects.extend(&other.objects);
        self.lists.extend(&other.lists);
        before != (self.objects.len(), self.lists.len())
    }

    /// The one or the other.
    pub(super) fn or(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }
}
