//! The `[tracing]` section: the collector to which the spans of requests are sent, and which requests are recorded.

use core::fmt;

use super::ConfigNeeds;
use super::figure;
use super::key;
use super::problem::{Notes, Problem, quoted};
use super::section::Section;

const EXPECTED_TABLE: &str = "a table";
const EXPECTED_ENDPOINT: &str = "the address of a collector such as `http://127.0.0.1:4318`";
/// The only scheme: a collector on this machine takes what is sent, and knows how to go on from there.
const SCHEME: &str = "http://";
/// The port for OTLP over HTTP.
const PORT: u16 = 4318;
/// The path for traces, where the address has none.
const PATH: &str = "/v1/traces";
/// The longest address, in bytes.
const MAX_BYTES: usize = 512;

/// The settings of tracing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracingSettings {
    /// The collector.
    pub collector: CollectorUrl,
    /// [`figure::SAMPLED_PER_MILLION`].
    pub sampled_per_million: u32,
    /// [`figure::TRACING_QUEUE`].
    pub queue: u32,
}

/// The address of a collector of traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl {
    /// The host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The host and port as they were written.
    pub authority: String,
    /// The path, from the slash on.
    pub path: String,
}

impl TracingSettings {
    /// Reads the section, if any. A binary that cannot trace must not keep quiet about a section that asks for traces,
    /// unless the command needs nothing but the bus.
    pub(super) fn read(root: &Section<'_>, needs: ConfigNeeds, notes: &mut Notes) -> Option<Self> {
        let entry = root.get("tracing")?;
        if needs != ConfigNeeds::Nats && !cfg!(feature = "opentelemetry") {
            let problem = Problem::new("this `whither` was built without OpenTelemetry, so it cannot trace requests");
            let help = "take the section out, or build with `cargo build --release --features opentelemetry`";
            notes.at(&entry.span, problem.help(help));
        }
        let section = entry.section(&key::of("tracing"), EXPECTED_TABLE, notes)?;
        let collector = section.text("endpoint", EXPECTED_ENDPOINT, notes);
        if section.get("endpoint").is_none() {
            let problem = Problem::new("`tracing` has no `endpoint`").help(format!("expected {EXPECTED_ENDPOINT}"));
            notes.missing(Some(&section.span), problem);
        }
        let sampled_per_million = section.figure(&figure::SAMPLED_PER_MILLION, notes);
        let queue = section.figure(&figure::TRACING_QUEUE, notes);
        let (entry, text) = collector?;
        let read = CollectorUrl::parse(text).map_err(|why| {
            notes.at(&entry.span, Problem::new(format!("`tracing.endpoint` {} {why}", quoted(text))));
        });
        Some(Self { collector: read.ok()?, sampled_per_million, queue })
    }
}

impl CollectorUrl {
    /// Parses an address such as `http://127.0.0.1:4318`; the port is 4318 and the path `/v1/traces` where there is none.
    ///
    /// # Errors
    /// A message about the fault in the address.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err(
                "has TLS, which is left to a collector: send to one on this machine, and have it pass on".into()
            );
        }
        let expected = || format!("is no address, expected {EXPECTED_ENDPOINT}");
        let rest = text.strip_prefix(SCHEME).filter(|_| text.len() <= MAX_BYTES).ok_or_else(expected)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.contains('@') {
            return Err("has a login in it, which is not sent".into());
        }
        let (host, port) = host_and_port(authority).ok_or_else(expected)?;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\".contains(&byte));
        if host.is_empty() || !is_plain(rest) {
            return Err(expected());
        }
        let path = if path.is_empty() || path == "/" { PATH } else { path };
        Ok(Self { host: host.to_owned(), port, authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{}", self.authority, self.path)
    }
}

/// Takes `[::1]:4318`, `host:4318` or `host` apart.
fn host_and_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    let port = match port {
        "" => PORT,
        port => port.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)?,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Loading, MemoryFiles, load};

    fn read(lines: &str, needs: ConfigNeeds) -> Result<Config, String> {
        let text = format!("nats.url = \"bus\"\n[chain.a]\nsteps = [\"builtin:round-robin\"]\n[tracing]\n{lines}\n");
        let files = MemoryFiles::default().with("w", text);
        load(Path::new("w"), Loading { files: &files, host_zone: "UTC", needs }).map_err(|errors| errors.to_string())
    }

    #[test]
    fn addresses_are_taken_apart() {
        let parts = |text: &str| CollectorUrl::parse(text).map(|url| (url.host.clone(), url.port, url.path.clone()));
        let of = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(parts("http://127.0.0.1:4318"), of("127.0.0.1", 4318, "/v1/traces"));
        assert_eq!(parts("http://collector"), of("collector", 4318, "/v1/traces"));
        assert_eq!(parts("http://collector:80/"), of("collector", 80, "/v1/traces"));
        assert_eq!(parts("http://[::1]:9/otlp/v1/traces"), of("::1", 9, "/otlp/v1/traces"));
        assert_eq!(CollectorUrl::parse("http://[::1]:9").unwrap().to_string(), "http://[::1]:9/v1/traces");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, part) in [
            ("collector:4318", "is no address"),
            ("http://", "is no address"),
            ("http://:4318", "is no address"),
            ("http://c:0", "is no address"),
            ("http://c:70000", "is no address"),
            ("http://c d:1", "is no address"),
            ("http://[::1", "is no address"),
            ("http://c/?x", "is no address"),
            ("https://c:4318", "has TLS"),
            ("http://ann:secret@c", "has a login"),
        ] {
            let message = CollectorUrl::parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn the_section_has_a_collector_and_defaults() {
        let settings = |lines| read(lines, ConfigNeeds::Nats).map(|config| config.tracing);
        let read = settings("endpoint = \"http://c\"").unwrap().unwrap();
        assert_eq!((read.sampled_per_million, read.queue), (1_000_000, 2048));
        let missing = settings("queue = 7").unwrap_err();
        assert!(missing.contains("w:4:1: `tracing` has no `endpoint`"), "{missing}");
        let wrong = settings("endpoint = \"https://c\"\nsampled_per_million = 2000000\nwhat = 1").unwrap_err();
        for part in ["w:5:12: `tracing.endpoint` `https://c` has TLS", "from 0 to 1000000", "what"] {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
    }

    #[test]
    fn each_figure_keeps_its_range() {
        let settings = |key: &str, value: u32| {
            let lines = format!("endpoint = \"http://c\"\n{key} = {value}");
            read(&lines, ConfigNeeds::Nats).map(|config| config.tracing.unwrap())
        };
        for figure in figure::FIGURES.into_iter().filter(|figure| figure.section == "tracing") {
            assert!(settings(figure.key, figure.least).is_ok());
            let range = format!("`tracing.{}` is the number {}, expected", figure.key, figure.most + 1);
            let above = settings(figure.key, figure.most + 1).unwrap_err();
            assert!(above.contains(&range), "{above}");
        }
        assert_eq!(settings("sampled_per_million", 7).unwrap().sampled_per_million, 7);
        assert_eq!(settings("queue", 9).unwrap().queue, 9);
    }

    #[test]
    fn a_binary_without_opentelemetry_does_not_serve_as_if_it_had_it() {
        let lines = "endpoint = \"http://c\"";
        assert!(read(lines, ConfigNeeds::Nats).is_ok());
        for needs in [ConfigNeeds::Both, ConfigNeeds::Chains] {
            match (cfg!(feature = "opentelemetry"), read(lines, needs)) {
                (true, read) => assert!(read.is_ok(), "{read:?}"),
                (false, read) => {
                    let message = read.unwrap_err();
                    assert!(message.contains("w:4:1: this `whither` was built without OpenTelemetry"), "{message}");
                }
            }
        }
    }
}
