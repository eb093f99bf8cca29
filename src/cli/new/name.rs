//! The file of a new script, from the name that a person gives.

use std::path::Path;

use anyhow::ensure;

/// Returns the file of the script `name`, which may have the `extension` already.
pub(super) fn file_name(name: &str, extension: &str) -> anyhow::Result<String> {
    let stem = name.strip_suffix(extension).and_then(|stem| stem.strip_suffix('.')).unwrap_or(name);
    // The name stands in a comment, which ends at any of JavaScript's line ends.
    let ends_line = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    ensure!(!stem.contains(ends_line), "a script's name has no line ends or control characters");
    let usable = Path::new(name).file_name().is_some_and(|_| !stem.is_empty() && !stem.ends_with('/'));
    ensure!(usable, "`{name}` is no name for a script, expected one such as `least-busy`");
    Ok(format!("{stem}.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_file() {
        for (name, file) in
            [("gpu", "gpu.js"), ("gpu.js", "gpu.js"), ("scripts/gpu", "scripts/gpu.js"), ("a b", "a b.js")]
        {
            assert_eq!(file_name(name, "js").unwrap(), file);
        }
        assert_eq!(file_name("gpu.js", "py").unwrap(), "gpu.js.py");
        assert_eq!(file_name("gpujs", "js").unwrap(), "gpujs.js");
        for name in ["", ".js", "/", "x/", "..", "a\nb", "a\u{2028}b"] {
            assert!(file_name(name, "js").is_err(), "{name}");
        }
    }
}
