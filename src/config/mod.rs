//! The service's config: a TOML file, read in two steps, every problem reported at once with the line.
//!
//! First text becomes a tree with spans (`raw`), then the tree becomes the types below, in which nothing is left to
//! check. This folder opens no file and asks no host: both are handed in. The use of the values is not known here.

use std::ops::Range;
use std::path::Path;
#[cfg(feature = "service")]
use std::sync::Arc;

use crate::chain::{ChainSet, ChainSpec};
use crate::script::ScriptLimits;
#[cfg(feature = "service")]
use crate::token::TokenVerifier;

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
#[cfg(feature = "service")]
mod tokens;
pub mod traces;

pub use address::ServerUrl;
pub use files::{Contents, FileError, Files, MemoryFiles};
pub use inbox::InboxPrefix;
pub use keeping::{Keeping, Storage};
pub use namespace::Namespace;
pub use nats::{ClientCertificate, Login, Nats, Tls};
pub use problem::{ConfigErrors, Place, Problem};
pub use secret::Secret;
pub use settings::{Capacity, Cooldown, LimitSettings, NewNodes, ServiceSettings};
pub use steps::{load_step, never_asked};
pub use traces::{CollectorUrl, TracingSettings};

use problem::{Notes, quoted};
use section::Section;

const SECTIONS: [&str; 7] = ["nats", "http", "service", "limits", "tokens", "tracing", "chain"];

/// A config with every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The connection to the bus.
    pub nats: Nats,
    /// The address of the small HTTP port; `None` where the service has no HTTP port. An address of `core::net` is a
    /// value and no socket.
    pub http: Option<core::net::SocketAddr>,
    /// The settings of the service's state.
    pub service: ServiceSettings,
    /// The limits.
    pub limits: LimitSettings,
    /// The verifier of the tokens of requests, where there is a section for it.
    #[cfg(feature = "service")]
    pub tokens: Option<Arc<TokenVerifier>>,
    /// The settings of tracing; `None` where no request is traced.
    pub tracing: Option<TracingSettings>,
    /// The chains with the limits that they run under; empty where the command did not need chains.
    pub chains: ChainSet,
}

/// The context in which a config is read.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    /// The source of the config and of the files that the config names.
    pub files: &'a dyn Files,
    /// The host's time zone, for a config that names none.
    pub host_zone: &'a str,
    /// The parts of the config that the command uses.
    pub needs: ConfigNeeds,
}

/// The parts of a config that a command uses, and so must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigNeeds {
    /// The chains: `place`, and `serve` where the command line has the address.
    Chains,
    /// The bus: commands that ask or report. Chains are not read, because a script that somebody is working on must not
    /// keep a node from being cordoned.
    Nats,
    /// Both: `serve`.
    Both,
}

/// The problem of a config without a chain.
pub const NO_CHAIN: &str = "there is no chain, expected one for each action";
/// The remedy for a config without a chain.
pub const LEAST_CHAIN: &str = "the least is `[chain.\"session/start\"]` with its `steps`";

/// A source of chains for a config that has none; the chains are read under the limits that the config sets. A problem
/// of the source is reported as a problem of the config.
pub type Elsewhere<'a> = &'a dyn Fn(&ScriptLimits) -> Result<Vec<ChainSpec>, Problem>;

/// Reads the config in the file called `path`.
///
/// # Errors
/// [`ConfigErrors`] with every problem of the config.
pub fn load(path: &Path, loading: Loading<'_>) -> Result<Config, ConfigErrors> {
    load_or(path, loading, &|_limits| Err(Problem::new(NO_CHAIN).help(LEAST_CHAIN)))
}

/// Reads the config in the file called `path`, with chains from `elsewhere` where the config has none.
///
/// # Errors
/// [`ConfigErrors`] with every problem of the config.
pub fn load_or(path: &Path, loading: Loading<'_>, elsewhere: Elsewhere<'_>) -> Result<Config, ConfigErrors> {
    let file = path.to_string_lossy();
    let unread = |problem| ConfigErrors::whole(&file, problem);
    let contents = loading.files.read(path, raw::MAX_CONFIG_BYTES).map_err(|fault| {
        let problem = Problem::new(format!("config {}: {fault}", quoted(&file)));
        unread(if fault == FileError::Missing { problem.help("`whither new config` writes one") } else { problem })
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

/// Returns a config of defaults alone, with chains from `elsewhere`; `path` is the file that could have been.
///
/// # Errors
/// [`ConfigErrors`] with every need that no default meets, and the problem of `elsewhere`.
pub fn without_file(path: &Path, loading: Loading<'_>, elsewhere: Elsewhere<'_>) -> Result<Config, ConfigErrors> {
    let mut notes = Notes::default();
    let (config, _no_secret) = read("", Path::new(""), loading, elsewhere, &mut notes);
    notes.into_errors(&path.to_string_lossy(), "", secret::masked).map_or(Ok(config), Err)
}

/// Whether the config in `text` has the section `name`. True also where `text` is no TOML, so that the loading of the
/// config reports the problem.
#[must_use]
pub fn has_section(text: &str, name: &str) -> bool {
    text.parse::<toml::Table>().map_or(true, |tree| tree.contains_key(name))
}

type SecretPlace = (String, Range<usize>);

/// Reads the config in `text`, as far as the text allows; also returns the place of the first secret.
fn read(
    text: &str,
    base: &Path,
    loading: Loading<'_>,
    elsewhere: Elsewhere<'_>,
    notes: &mut Notes,
) -> (Config, Option<SecretPlace>) {
    let readable = raw::check(text, notes);
    let tree = raw::tree(&readable);
    let root = Section::root(&tree, &SECTIONS, notes);
    let (nats, secret) = read_nats(&root, base, loading, notes);
    let service = ServiceSettings::read(&root, loading.host_zone, notes);
    let limits = LimitSettings::read(&root, notes);
    let script_limits = limits.script();
    let mut chains = match (loading.needs, root.get("chain")) {
        (ConfigNeeds::Nats, _) => Vec::new(),
        (_, Some(entry)) => {
            let has_tokens = root.get("tokens").is_some();
            chains::ChainsReader { base, files: loading.files, limits: &script_limits, has_tokens }.read(&entry, notes)
        }
        (_, None) => elsewhere(&script_limits).map_err(|problem| notes.missing(None, problem)).unwrap_or_default(),
    };
    #[cfg(feature = "service")]
    let tokens = match loading.needs {
        // Who asks or reports verifies nothing, and may not be allowed to read the keys.
        ConfigNeeds::Nats => None,
        _ => tokens::TokensReader { base, files: loading.files }.read(&root, notes).map(Arc::new),
    };
    for chain in &mut chains {
        chain.strict = service.capacity == Capacity::Strict;
        chain.max_pending = Some(u64::from(service.max_pending)).filter(|most| *most > 0);
    }
    let chains = ChainSet { chains, limits: script_limits, zone: service.timezone.clone(), names: service.user_names };
    let tracing = TracingSettings::read(&root, loading.needs, notes);
    let http = settings::read_http(&root, notes);
    let config = Config {
        nats,
        http,
        service,
        limits,
        #[cfg(feature = "service")]
        tokens,
        tracing,
        chains,
    };
    (config, secret)
}

fn read_nats(root: &Section<'_>, base: &Path, loading: Loading<'_>, notes: &mut Notes) -> (Nats, Option<SecretPlace>) {
    let entry = root.get("nats");
    let span = entry.as_ref().map(|entry| entry.span.clone());
    let section = entry.and_then(|entry| entry.section(&key::of("nats"), "a table", notes));
    if section.as_ref().is_none_or(|section| section.get("url").is_none()) && loading.needs != ConfigNeeds::Chains {
        let problem = Problem::new("there is no `nats.url`");
        notes.missing(span.as_ref(), problem.help(format!("expected {}", nats::EXPECTED_URL)));
    }
    match section {
        Some(section) => nats::NatsReader { section: &section, base, files: loading.files }.read(notes),
        None => (Nats::default(), None),
    }
}

fn exposed(key: &str, file: &str, mode: u32) -> Problem {
    Problem::new(secret::exposed(&quoted(key), mode)).help(secret::hide(file))
}
