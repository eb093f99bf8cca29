//! The exports of a component: the interfaces that the component exports and imports, and the functions behind the
//! interfaces.

use std::cell::Cell;
use std::sync::Arc;

use wasmtime::component::{Component, ComponentNamedList, ComponentType, Instance, Lift, Lower, TypedFunc};
use wasmtime::{Engine, Store};

use crate::model::NodeParts;
use crate::script::{Arity, LoadError, PerNode, ScriptShape};

use super::contract::{ColumnWishes, ComponentRequest, ComponentVerdict, PACKAGE, Rows, VERSION, interface};
use super::host::InstanceHost;

/// A function that is called for a single node.
pub(super) type OfNode<T> = TypedFunc<(u32,), (Result<T, String>,)>;
/// The function that is called before the per-node functions of a request.
pub(super) type Begin = TypedFunc<(ComponentRequest,), (Result<(), String>,)>;
/// The whole-list function.
pub(super) type Balance = TypedFunc<(ComponentRequest, Arc<[u32]>), (Result<ComponentVerdict, String>,)>;

/// The interfaces of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ComponentExports {
    pub(super) table: bool,
    pub(super) balance: bool,
    pub(super) node_filter: bool,
    pub(super) node_score: bool,
    pub(super) request_filter: bool,
    pub(super) request_score: bool,
    /// Whether the component may ask for documents.
    pub(super) documents: bool,
}

impl ComponentExports {
    /// Reads the interfaces of `component`.
    ///
    /// # Errors
    /// The interface that the component lacks, or has too much of.
    pub(super) fn of(component: &Component, engine: &Engine) -> Result<Self, LoadError> {
        let (mut outline, kind) = (Self::default(), component.component_type());
        let (imports, exports) = (kind.imports(engine), kind.exports(engine));
        let other = imports.chain(exports).filter_map(|(name, _)| own(name)).find(|(_, version)| *version != VERSION);
        if let Some((_, version)) = other {
            let message = format!("the component is made for {PACKAGE}@{version}; this release speaks {VERSION}");
            return Err(LoadError::new(message));
        }
        outline.documents = kind.imports(engine).any(|(name, _)| own(name) == Some(("documents", VERSION)));
        for (name, _) in kind.exports(engine) {
            let Some((name, _)) = own(name) else { continue };
            *match name {
                "table" => &mut outline.table,
                "balance" => &mut outline.balance,
                "node-filter" => &mut outline.node_filter,
                "node-score" => &mut outline.node_score,
                "request-filter" => &mut outline.request_filter,
                "request-score" => &mut outline.request_score,
                _ => continue,
            } = true;
        }
        outline.shape().map(|_| outline)
    }

    /// Returns the parts of a node that the component's functions can read. The fixed columns alone belong to every
    /// part, and a component does not declare which of the columns a function reads; a component without a table and
    /// without documents knows only the row number.
    pub(super) fn reads(self) -> NodeParts {
        if self.table || self.documents { NodeParts::ALL } else { NodeParts::REST }
    }

    /// Returns the shape of a script with these interfaces.
    ///
    /// # Errors
    /// The reason why the interfaces form no shape.
    pub(super) fn shape(self) -> Result<ScriptShape, LoadError> {
        let arity = |pure: bool, with_request: bool, name: &str| match (pure, with_request) {
            (true, true) => Err(LoadError::new(format!(
                "the component exports `node-{name}` and `request-{name}`: it is one of the two"
            ))),
            (true, false) => Ok(Some(Arity::Node)),
            (false, true) => Ok(Some(Arity::NodeAndRequest)),
            (false, false) => Ok(None),
        };
        let filter = arity(self.node_filter, self.request_filter, "filter")?;
        let score = arity(self.node_score, self.request_score, "score")?;
        match (self.balance, filter.or(score)) {
            (true, None) => Ok(ScriptShape::WholeList),
            (false, Some(_)) => Ok(ScriptShape::PerNode(PerNode { filter, score, key: false })),
            (true, Some(_)) => Err(LoadError::new(
                "the component exports `balance` beside a filter or a score: it is a choice among all nodes or a word on each",
            )),
            (false, None) => Err(LoadError::new(format!(
                "the component exports none of the functions of {PACKAGE}@{VERSION}: `balance`, `node-filter`, \
                 `node-score`, `request-filter`, `request-score` (`whither new wasm NAME` writes one that does)"
            ))),
        }
    }
}

/// Returns the name and version of an interface of whither.
fn own(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')
}

/// The functions of an instance.
pub(super) struct Exports {
    pub(super) table: Option<Table>,
    pub(super) balance: Option<Balance>,
    pub(super) filter: Option<Asks<bool>>,
    pub(super) score: Option<Asks<Option<f64>>>,
}

/// The functions that maintain the table of nodes.
pub(super) struct Table {
    pub(super) declare: TypedFunc<(), (ColumnWishes,)>,
    pub(super) update: TypedFunc<(u32, Rows), ()>,
}

/// A per-node function, with the function that is called before the calls of a request.
pub(super) struct Asks<T> {
    pub(super) begin: Option<Begin>,
    pub(super) ask: OfNode<T>,
    /// The number of the run for which `begin` was called last.
    pub(super) begun: Cell<u64>,
}

impl Exports {
    /// Finds the functions of `outline` in `instance`.
    ///
    /// # Errors
    /// The function that is missing, or has another type.
    pub(super) fn find(
        outline: ComponentExports,
        instance: &Instance,
        store: &mut Store<InstanceHost>,
    ) -> Result<Self, String> {
        let mut find = Finder { instance, store };
        let table = match outline.table {
            true => {
                Some(Table { declare: find.function("table", "declare")?, update: find.function("table", "update")? })
            }
            false => None,
        };
        let balance = outline.balance.then(|| find.function("balance", "balance")).transpose()?;
        let filter = find.asks("filter", outline.node_filter, outline.request_filter)?;
        let score = find.asks("score", outline.node_score, outline.request_score)?;
        Ok(Self { table, balance, filter, score })
    }
}

struct Finder<'a> {
    instance: &'a Instance,
    store: &'a mut Store<InstanceHost>,
}

impl Finder<'_> {
    fn asks<T>(&mut self, name: &str, pure: bool, with_request: bool) -> Result<Option<Asks<T>>, String>
    where
        Result<T, String>: Lift + ComponentType + 'static,
        T: Lift + 'static,
    {
        let of = match (pure, with_request) {
            (true, _) => format!("node-{name}"),
            (false, true) => format!("request-{name}"),
            (false, false) => return Ok(None),
        };
        let begin = with_request.then(|| self.function(&of, "begin")).transpose()?;
        Ok(Some(Asks { begin, ask: self.function(&of, name)?, begun: Cell::default() }))
    }

    fn function<P, R>(&mut self, of: &str, name: &str) -> Result<TypedFunc<P, R>, String>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let wrong = |why: String| format!("`{name}` of `{of}` is not the one of {PACKAGE}@{VERSION}: {why}");
        let found = self.instance.get_export_index(&mut *self.store, None, &interface(of));
        let found = found.and_then(|found| self.instance.get_export_index(&mut *self.store, Some(&found), name));
        let found = found.ok_or_else(|| wrong("it is not there".to_owned()))?;
        self.instance.get_typed_func(&mut *self.store, found).map_err(|error| wrong(error.root_cause().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_reads_all_that_it_is_told() {
        let blind = ComponentExports { node_score: true, ..ComponentExports::default() };
        for (outline, expected) in [
            (blind, NodeParts::REST),
            (ComponentExports { table: true, ..blind }, NodeParts::ALL),
            (ComponentExports { documents: true, ..blind }, NodeParts::ALL),
            (ComponentExports { table: true, documents: true, ..blind }, NodeParts::ALL),
        ] {
            assert_eq!(outline.reads(), expected, "{outline:?}");
        }
    }
}
