//! The reference of files of tests, from the list that its reader checks against.

use whither::config::suite::key::SUITE_KEYS;

use super::markdown::{code, table};

/// The tables of a file of tests, each with its heading.
const SECTIONS: [(&str, &str); 9] = [
    ("", "The file"),
    ("variants", "[variants.NAME]"),
    ("case", "[[case]]"),
    ("nodes", "nodes, where it is a table"),
    ("generate", "nodes.generate"),
    ("for_all", "for_all"),
    ("expect", "expect"),
    ("error", "expect.error, where it is a table"),
    ("spread", "expect.spread"),
];

/// Every key, with what it is where the file does not say.
pub(crate) fn keys() -> String {
    let section = |(name, heading): (&str, &str)| {
        let keys = SUITE_KEYS.iter().filter(|key| key.section == name).map(|key| {
            let is_value = key.default.starts_with(['"', '{']) && !key.default.contains(", ");
            let is_value = is_value || key.default.parse::<f64>().is_ok();
            let default = if is_value { code(key.default) } else { key.default.to_owned() };
            [code(key.key), default, key.expected.to_owned(), key.about.to_owned()]
        });
        format!("## {heading}\n\n{}", table(["key", "default", "may be", "meaning"], keys))
    };
    SECTIONS.map(section).join("\n\n")
}
