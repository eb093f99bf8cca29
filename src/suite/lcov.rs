//! Coverage as LCOV's tracefile, which editors and services of code review read.

use std::fmt::Write;

use super::coverage::ScriptCoverage;

/// `scripts` as a tracefile.
#[must_use]
pub fn lcov(scripts: &[ScriptCoverage]) -> String {
    let mut text = String::new();
    for script in scripts {
        // A line end would begin another record.
        let path = script.path.replace(['\n', '\r'], "?");
        let _ = writeln!(text, "TN:\nSF:{path}");
        for (number, branch) in script.branches.iter().enumerate() {
            // Ways of a line that was never come to are not known, in LCOV's words `-`.
            let is_reached = branch.ways.iter().any(|count| *count > 0);
            for (way, count) in branch.ways.iter().enumerate() {
                let taken = if is_reached { count.to_string() } else { "-".to_owned() };
                let _ = writeln!(text, "BRDA:{},{number},{way},{taken}", branch.line);
            }
        }
        let (lines, ways) = (script.line_part(), script.way_part());
        let _ = writeln!(text, "BRF:{}\nBRH:{}", ways.total, ways.reached);
        for (line, count) in &script.lines {
            let _ = writeln!(text, "DA:{line},{count}");
        }
        let _ = writeln!(text, "LF:{}\nLH:{}\nend_of_record", lines.total, lines.reached);
    }
    text
}
