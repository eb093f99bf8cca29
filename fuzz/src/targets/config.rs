//! Configs: TOML, and what is shown of one that is wrong.

use std::path::Path;

use whither::cli::problem::{ProblemFormat, render};
use whither::config::problem::MAX_PROBLEMS;
use whither::config::{self, ConfigNeeds, Loading, MemoryFiles};

use super::{must_be_plain, without_colours};

/// A config that is accepted is so again, and the problems of any other point into it and steer no terminal.
pub fn run(bytes: &[u8]) {
    let files = MemoryFiles::default()
        .with_mode("whither.toml", bytes, 0o600)
        .with("a.js", "input => 'a'")
        .with("b.rhai", "fn score(node) { 1 }")
        .with("c.wasm", b"\0asm\x0d\0\x01\0")
        .with_mode("p.sh", "#!/bin/sh\n", 0o755);
    let load = || {
        let loading = Loading { files: &files, host_zone: "Europe/Berlin", needs: ConfigNeeds::Both };
        config::load(Path::new("whither.toml"), loading)
    };
    let errors = match load() {
        Ok(config) => return assert_eq!(load().as_ref(), Ok(&config)),
        Err(errors) => errors,
    };
    assert!((1..=MAX_PROBLEMS).contains(&errors.problems.len()));
    assert!(errors.text.is_empty() || errors.text.len() == bytes.len(), "each byte at its place");
    for place in errors.problems.iter().filter_map(|problem| problem.place.as_ref()) {
        assert!(place.span.start <= place.span.end && place.span.end <= errors.text.len(), "{place:?}");
        assert!(place.line >= 1 && place.column >= 1);
    }
    must_be_plain(&errors.text);
    must_be_plain(&errors.to_string());
    for look in [ProblemFormat::Plain, ProblemFormat::Coloured] {
        must_be_plain(&without_colours(&render(&errors, look)));
    }
}
