//! Whether a text of a store is a JavaScript function: by how it begins, because a text that is meant as a function and
//! does not compile is still one, and the check names its mistake.

/// Whether `text` begins as a JavaScript function does; whether the function compiles is found out by the check.
pub(super) fn is_function(text: &str) -> bool {
    let code = without_comments(text);
    let code = code.strip_prefix("async ").map_or(code, str::trim_start);
    if let Some(rest) = code.strip_prefix("function") {
        return rest.trim_start().starts_with(['(', '*'])
            || rest.starts_with(char::is_whitespace) && rest.contains('(');
    }
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
    let behind = match code.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map(|(_, behind)| behind),
        None => Some(code.trim_start_matches(is_name)).filter(|behind| behind.len() < code.len()),
    };
    behind.is_some_and(|behind| behind.trim_start().starts_with("=>"))
}

/// Returns `text` without the blanks and comments at the start.
fn without_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let behind = match (rest.strip_prefix("//"), rest.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n').map(|(_, behind)| behind),
            (_, Some(comment)) => comment.split_once("*/").map(|(_, behind)| behind),
            (None, None) => return rest,
        };
        rest = behind.unwrap_or_default().trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_known_by_how_they_begin() {
        for good in [
            "function (input) { return 1 }",
            "function(input) {}",
            "function choose(input) {}",
            "// why\n/* and */ function (input) {}",
            "async function(input) {}",
            "input => 1",
            "(input) => { return 1 }",
            "  (a, b) =>\n 1",
        ] {
            assert!(is_function(good), "{good}");
        }
        for bad in ["", "functional", "a script", "(see above) for more", "x = 1", "// function(", "functions (all)"] {
            assert!(!is_function(bad), "{bad}");
        }
    }
}
