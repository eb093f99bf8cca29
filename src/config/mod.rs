//! The service's config: one TOML file, read in two steps, every problem reported at once with its line.
//!
//! First text becomes a tree with spans (`raw`), then the tree becomes the types below, in which nothing is left to
//! check. This floor opens no file and asks no host: both are handed in. It does not know what its values are used for.

use std::ops::Range;
use std::path::Path;

use crate::chain::{ChainSet, ChainSpec};
use crate::script::ScriptLimits;

pub mod address;
pub mod chains;
pub mod figure;
pub mod files;
pub mod inbox;
pub mod keeping;
pub mod key;
pub mod namespace;
pub mod nats;
pub mod problem;
pub mod raw;
pub mod secret;
mod section;
pub mod settings;
pub mod steps;
pub mod suite;

pub use address::ServerUrl;
pub use files::{Contents, Fault, Files, MemoryFiles};
pub use inbox::InboxPrefix;
pub use keeping::{Keeping, Storage};
pub use namespace::Namespace;
pub use nats::{ClientCertificate, Login, Nats, Tls};
pub use problem::{ConfigErrors, Place, Problem};
pub use secret::Secret;
pub use settings::{Capacity, Cooldown, Limits, Service};
pub use steps::{load_step, never_asked};

use problem::{Notes, quoted};
use section::Section;

const SECTIONS: [&str; 5] = ["nats", "http", "service", "limits", "chain"];

/// A config in which everything is as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The bus.
    pub nats: Nats,
    /// Where the small HTTP port listens; absent where it does not. An address of `core::net` is a value and no socket.
    pub http: Option<core::net::SocketAddr>,
    /// How the service keeps its state.
    pub service: Service,
    /// What is bounded, and how far.
    pub limits: Limits,
    /// The chains with what they run under; none where the command did not need them.
    pub chains: ChainSet,
}

/// What a config is read with.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    /// Where it is read from, and the files that it names.
    pub files: &'a dyn Files,
    /// The host's time zone, for a config that names none.
    pub host_zone: &'a str,
    /// What the command uses of it.
    pub needs: Needs,
}

/// What a command uses of a config, and so must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The chains: `place`, and `serve` where its command line has the address.
    Chains,
    /// The bus: commands that ask or report. Chains are not looked at, because a script that someone is working on must
    /// not keep a node from being cordoned.
    Nats,
    /// Both: `serve`.
    Both,
}

/// What is wrong with a config that has no chain.
pub const NO_CHAIN: &str = "there is no chain, expected one for each action";
/// What to do about it.
pub const LEAST_CHAIN: &str = "the least is `[chain.\"session/start\"]` with its `steps`";

/// The chains of a config that has none, from wherever else they may stand; read under the limits that the config sets.
/// A problem of it is one of the config's.
pub type Elsewhere<'a> = &'a dyn Fn(&ScriptLimits) -> Result<Vec<ChainSpec>, Problem>;

/// Reads the config in the file called `path`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, loading: Loading<'_>) -> Result<Config, ConfigErrors> {
    load_or(path, loading, &|_limits| Err(Problem::new(NO_CHAIN).help(LEAST_CHAIN)))
}

/// The same, with chains from `elsewhere` where it has none.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_or(path: &Path, loading: Loading<'_>, elsewhere: Elsewhere<'_>) -> Result<Config, ConfigErrors> {
    let file = path.to_string_lossy();
    let unread = |problem| ConfigErrors::whole(&file, problem);
    let contents = loading.files.read(path, raw::MAX_CONFIG_BYTES).map_err(|fault| {
        let problem = Problem::new(format!("config {}: {fault}", quoted(&file)));
        unread(if fault == Fault::Missing { problem.help("`whither new config` writes one") } else { problem })
    })?;
    let text = contents
        .text(raw::MAX_CONFIG_BYTES)
        .map_err(|why| unread(Problem::new(format!("config {}: {why}", quoted(&file)))))?;
    let mut notes = Notes::default();
    let base = path.parent().unwrap_or(Path::new(""));
    let (config, secret) = read(text, base, loading, elsewhere, &mut notes);
    if let Some((key, span)) = secret.filter(|_| contents.others_may_read()) {
        notes.at(&span, exposed(&key, &file, contents.mode));
    }
    notes.into_errors(&file, text, secret::masked).map_or(Ok(config), Err)
}

/// A config of defaults alone, with chains from `elsewhere`; `path` is the file that could have been.
///
/// # Errors
/// A need that no default meets, and what `elsewhere` says.
pub fn without_file(path: &Path, loading: Loading<'_>, elsewhere: Elsewhere<'_>) -> Result<Config, ConfigErrors> {
    let mut notes = Notes::default();
    let (config, _no_secret) = read("", Path::new(""), loading, elsewhere, &mut notes);
    notes.into_errors(&path.to_string_lossy(), "", secret::masked).map_or(Ok(config), Err)
}

/// Whether the config in `text` has the section `name`; what cannot be read as a config counts as one that has, so that
/// whoever loads the config tells what is wrong.
#[must_use]
pub fn has_section(text: &str, name: &str) -> bool {
    text.parse::<toml::Table>().map_or(true, |tree| tree.contains_key(name))
}

type Stands = (String, Range<usize>);

/// The config in `text`, as far as it is one, and where its first secret stands.
fn read(
    text: &str,
    base: &Path,
    loading: Loading<'_>,
    elsewhere: Elsewhere<'_>,
    notes: &mut Notes,
) -> (Config, Option<Stands>) {
    let readable = raw::check(text, notes);
    let tree = raw::tree(&readable);
    let root = Section::root(&tree, &SECTIONS, notes);
    let (nats, secret) = read_nats(&root, base, loading, notes);
    let service = Service::read(&root, loading.host_zone, notes);
    let limits = Limits::read(&root, notes);
    let script_limits = limits.script();
    let mut chains = match (loading.needs, root.get("chain")) {
        (Needs::Nats, _) => Vec::new(),
        (_, Some(entry)) => chains::Reader { base, files: loading.files, limits: &script_limits }.read(&entry, notes),
        (_, None) => elsewhere(&script_limits).map_err(|problem| notes.missing(None, problem)).unwrap_or_default(),
    };
    for chain in &mut chains {
        chain.strict = service.capacity == Capacity::Strict;
        chain.max_pending = Some(u64::from(service.max_pending)).filter(|most| *most > 0);
    }
    let chains = ChainSet { chains, limits: script_limits, zone: service.timezone.clone(), names: service.user_names };
    (Config { nats, http: settings::read_http(&root, notes), service, limits, chains }, secret)
}

fn read_nats(root: &Section<'_>, base: &Path, loading: Loading<'_>, notes: &mut Notes) -> (Nats, Option<Stands>) {
    let entry = root.get("nats");
    let span = entry.as_ref().map(|entry| entry.span.clone());
    let section = entry.and_then(|entry| entry.section(&key::of("nats"), "a table", notes));
    if section.as_ref().is_none_or(|section| section.get("url").is_none()) && loading.needs != Needs::Chains {
        let problem = Problem::new("there is no `nats.url`");
        notes.missing(span.as_ref(), problem.help(format!("expected {}", nats::EXPECTED_URL)));
    }
    match section {
        Some(section) => nats::Reader { section: &section, base, files: loading.files }.read(notes),
        None => (Nats::default(), None),
    }
}

fn exposed(key: &str, file: &str, mode: u32) -> Problem {
    Problem::new(secret::exposed(&quoted(key), mode)).help(secret::hide(file))
}
