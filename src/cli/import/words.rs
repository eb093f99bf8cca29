//! The words of keys and names: which chain they mean, and whether they are about load balancing or about jobs.

use crate::model::head::DEFAULT_ACTION;

/// The action of a login.
pub(super) const LOGIN_ACTION: &str = "user/login";

/// Returns the words of `text` in lower case: `defaultStartScript` and `default-start_script` have three.
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut was_lower) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        let begins = !character.is_alphanumeric() || was_lower && character.is_uppercase();
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase() || character.is_numeric();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether two names have the same words.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    words(one) == words(other)
}

/// Returns the action of the chain that `text` means, if any.
pub(super) fn action(text: &str) -> Option<&'static str> {
    let words = words(text);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    match () {
        () if has(&["login", "logins"]) => Some(LOGIN_ACTION),
        () if has(&["start", "starts"]) => Some(DEFAULT_ACTION),
        () => None,
    }
}

/// Whether `text` is about load balancing.
pub(super) fn is_about_balancing(text: &str) -> bool {
    words(text).iter().any(|word| word.starts_with("balanc") || word.starts_with("loadbalanc"))
}

/// Whether `text` is about job scheduling, which starts sessions and chooses no node.
pub(super) fn is_about_jobs(text: &str) -> bool {
    words(text).iter().any(|word| word.starts_with("schedul") || ["job", "jobs", "launcher"].contains(&word.as_str()))
}

/// Whether `text` is about a list or a choice of scripts.
pub(super) fn is_about_scripts(text: &str) -> bool {
    let known = ["script", "scripts", "function", "functions", "default", "chain", "chains", "order"];
    is_about_balancing(text) || words(text).iter().any(|word| known.contains(&word.as_str()))
}

/// Returns `name` as the name of a file, without an extension: lower-case letters, digits and single dashes.
pub(super) fn file_stem(name: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut stem = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        match character {
            'a'..='z' | '0'..='9' => stem.push(character),
            _ if stem.is_empty() || stem.ends_with('-') => {}
            _ => stem.push('-'),
        }
        if stem.len() >= MAX_CHARS {
            break;
        }
    }
    let stem = stem.trim_end_matches('-');
    if stem.is_empty() { "script".to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_however_they_are_joined() {
        for text in ["defaultStartScript", "default-start_script", "Default Start Script", "DEFAULT/start.Script"] {
            assert_eq!(words(text), ["default", "start", "script"], "{text}");
        }
        assert_eq!(action("user/login"), Some("user/login"));
        assert_eq!(action("startScripts"), Some("session/start"));
        assert_eq!((action("restart"), action("Fewest Sessions"), action("")), (None, None, None));
        assert!(
            is_about_balancing("loadBalancing") && is_about_balancing("loadbalancers") && !is_about_balancing("load")
        );
        assert!(is_about_jobs("job-scheduling") && !is_about_jobs("jobless"));
    }

    #[test]
    fn a_name_becomes_a_file_name_that_is_none_of_the_system() {
        for (name, stem) in [
            ("GPU for CAD", "gpu-for-cad"),
            ("../../etc/passwd", "etc-passwd"),
            ("…", "script"),
            ("-x-", "x"),
            ("Gerät 2", "ger-t-2"),
        ] {
            assert_eq!(file_stem(name), stem);
        }
        assert_eq!(file_stem(&"x".repeat(500)).len(), 60);
    }
}
