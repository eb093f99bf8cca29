//! The host's time zone by a name that a worker can look up, since a worker reads no files.

use std::path::Path;

use jiff::tz::TimeZone;

use crate::clock;
use crate::config::Files;

/// The file with the rules of the host's time zone, for a host where the zone has no known name.
const LOCALTIME: &str = "/etc/localtime";
/// The largest zone file that is read; real ones have 4 KiB at most.
const MAX_RULES_BYTES: usize = 64 * 1024;

/// Returns the host's time zone: an IANA name, else a POSIX TZ string, else UTC.
#[must_use]
pub fn of_host(files: &dyn Files) -> String {
    let variable = std::env::var("TZ").ok();
    let rules = || files.read(Path::new(LOCALTIME), MAX_RULES_BYTES).map(|contents| contents.bytes).unwrap_or_default();
    choose(variable.as_deref(), || TimeZone::system().iana_name().map(str::to_owned), rules)
}

/// Returns the first usable answer: the variable `TZ`, the name that the system knows, the rules in the zone file.
fn choose(variable: Option<&str>, named: impl FnOnce() -> Option<String>, rules: impl FnOnce() -> Vec<u8>) -> String {
    let known = |name: &String| clock::zone(name).is_some();
    let by_variable = variable.map(from_variable).filter(known);
    let by_name = || named().filter(known);
    let by_rules = || posix_rule(&rules()).filter(known);
    by_variable.or_else(by_name).or_else(by_rules).unwrap_or_else(|| "UTC".to_owned())
}

/// Returns the zone that `TZ` names. Empty means UTC; a colon or a path into a zone database may precede the name.
fn from_variable(value: &str) -> String {
    let name = value.strip_prefix(':').unwrap_or(value);
    let name = name.rsplit_once("zoneinfo/").map_or(name, |(_, name)| name);
    if name.is_empty() { "UTC".to_owned() } else { name.to_owned() }
}

/// Returns the last line of a zone file: the rule for all times to come, as a POSIX TZ string.
fn posix_rule(file: &[u8]) -> Option<String> {
    let body = file.strip_suffix(b"\n")?;
    let start = body.iter().rposition(|byte| *byte == b'\n')? + 1;
    let rule = str::from_utf8(body.get(start..)?).ok()?;
    Some(rule.to_owned()).filter(|rule| !rule.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemoryFiles;

    fn chosen(variable: Option<&str>, named: Option<&str>, rules: &[u8]) -> String {
        choose(variable, || named.map(str::to_owned), || rules.to_vec())
    }

    #[test]
    fn the_first_usable_answer_counts() {
        let rules = b"TZif2 and so on\nCET-1CEST,M3.5.0,M10.5.0/3\n";
        for (variable, named, expected) in [
            (Some("Asia/Tokyo"), Some("Europe/Berlin"), "Asia/Tokyo"),
            (Some(":Asia/Tokyo"), None, "Asia/Tokyo"),
            (Some("/usr/share/zoneinfo/Asia/Tokyo"), None, "Asia/Tokyo"),
            (Some("<+03>-3"), None, "<+03>-3"),
            (Some(""), Some("Europe/Berlin"), "UTC"),
            (Some("nonsense"), Some("Europe/Berlin"), "Europe/Berlin"),
            (None, Some("Europe/Berlin"), "Europe/Berlin"),
            (None, None, "CET-1CEST,M3.5.0,M10.5.0/3"),
        ] {
            assert_eq!(chosen(variable, named, rules), expected);
        }
        for rules in [b"".as_slice(), b"\n", b"x\n\n", b"TZif\nno rule\n", b"TZif\n\xff\n"] {
            assert_eq!(chosen(None, None, rules), "UTC");
        }
    }

    #[test]
    fn the_host_has_a_zone() {
        assert!(clock::zone(&of_host(&MemoryFiles::default())).is_some());
    }
}
