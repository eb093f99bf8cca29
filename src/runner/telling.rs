//! Finds the telling line in the output of a failing program: the line that says why the program failed.

/// The number of lines from the end that are searched.
const MAX_LINES: usize = 200;

/// Returns the last telling line of `stderr`, else of `stdout`, or `None` where both are empty.
pub(super) fn line(stderr: &str, stdout: &str) -> Option<String> {
    [stderr, stdout].into_iter().find_map(last_of).map(str::to_owned)
}

fn last_of(text: &str) -> Option<&str> {
    let lines = || text.lines().rev().take(MAX_LINES).map(str::trim_end).filter(|line| !line.trim().is_empty());
    lines().find(|line| is_telling(line)).or_else(|| lines().next()).map(str::trim)
}

/// Whether a line is more than the frame around a message: stack traces are indented, and Node.js ends with its version
/// and with the brackets of the error's properties.
fn is_telling(line: &str) -> bool {
    let is_frame = line.starts_with([' ', '\t']) || line.starts_with("Node.js v");
    !is_frame && line.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_what_languages_print_around_it() {
        let node = "/x/a.js:1\nthrow new Error('boom')\n^\n\nError: boom\n    at Object.<anonymous> (/x/a.js:1:7)\n  \
                    code: 7\n}\n\nNode.js v20.20.2\n";
        let python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    int('x')\n\
                      ValueError: invalid literal\n";
        for (stderr, stdout, expected) in [
            (node, "", Some("Error: boom")),
            (python, "b\n", Some("ValueError: invalid literal")),
            ("a.sh: 3: jq: not found\n", "", Some("a.sh: 3: jq: not found")),
            ("one\ntwo\n\n  \n", "three", Some("two")),
            ("", "All GPU nodes are in use\n", Some("All GPU nodes are in use")),
            ("   indented\n", "", Some("indented")),
            ("\n", "", None),
            ("", "", None),
        ] {
            assert_eq!(line(stderr, stdout).as_deref(), expected, "{stderr}");
        }
    }
}
