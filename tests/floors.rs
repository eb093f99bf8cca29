//! The floors of the code: imports only go down, and each crate from outside stays on the floor that it belongs to.
//!
//! `ARCHITECTURE.md` says why. The rules are checked on the sources themselves, and on planted violations, so that a
//! rule which no longer sees anything fails too.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "floors/source.rs"]
mod source;

use std::path::Path;

use source::{Kind, Named, Source};

/// Each module below `src`, on its floor.
const FLOORS: [&[&str]; 8] = [
    &["model", "clock", "plain"],
    &["script", "chain"],
    &["engine"],
    &["evaluator", "config"],
    &["allocator", "backoff", "log", "pulse", "resources", "worker", "runner", "registry", "nats"],
    &["agent", "front"],
    &["server", "simulate"],
    &["bin", "cli"],
];

/// The last floor that does no I/O, reads no clock and rolls no dice.
const LAST_PURE_FLOOR: usize = 3;

/// Modules that may name the NATS client; `front` passes its subjects on and may name that type.
const BUS_MODULES: [&str; 4] = ["nats", "registry", "agent", "cli"];

/// Crates that talk to the machine, on no pure floor.
const MACHINE_CRATES: [&str; 10] =
    ["tokio", "tokio_util", "async_nats", "axum", "hyper", "hyper_util", "rustix", "sysinfo", "inotify", "tempfile"];

/// Crates that make random numbers; `clock.rs` has the seeded stream that the others use.
const RANDOM_CRATES: [&str; 7] = ["rand", "rand_core", "rand_pcg", "rand_chacha", "chacha20", "getrandom", "fastrand"];

/// Files that may say `unsafe`, each for calls that exist in no other form.
const UNSAFE_FILES: [&str; 5] =
    ["allocator.rs", "engine/javascript/collector.rs", "pulse/stack.rs", "runner/kernel.rs", "worker/attempts.rs"];

/// The most lines of a file, its tests aside.
const MOST_LINES: usize = 450;

/// What is wrong with the file at `path` below the crate's root, each with its line.
fn violations(path: &str, text: &str) -> Vec<String> {
    let source = Source::read(text);
    let mut found = Vec::new();
    let mut say = |line: usize, what: String| found.push(format!("{path}:{line}: {what}"));
    for named in source.named() {
        if named.kind == Kind::Macro && matches!(last(&named), "todo" | "unimplemented") {
            say(named.line, format!("`{}!` is left", named.segments.join("::")));
        }
        let Some(own) = path.strip_prefix("src/") else { continue };
        if named.segments[0] == "unsafe" && !UNSAFE_FILES.contains(&own) {
            say(named.line, format!("`unsafe` stands in {} alone", UNSAFE_FILES.join(", ")));
        }
        // A module of the file's own may be called like a crate.
        let foreign = if source.declares(&named.segments[0]) { None } else { misplaced(own, &named) };
        for why in [climbs(own, &named), foreign].into_iter().flatten() {
            say(named.line, format!("`{}`: {why}", named.segments.join("::")));
        }
    }
    for (_, line) in source.attributes().filter(|(word, _)| *word == "ignore") {
        say(line, "a test is ignored".to_owned());
    }
    if let Some(own) = path.strip_prefix("src/") {
        if !text.starts_with("//! ") {
            say(1, "the file does not begin with `//!`".to_owned());
        }
        if source.lines > MOST_LINES {
            say(source.lines, format!("{} lines without its tests, at most {MOST_LINES}", source.lines));
        }
        if floor_of_file(own).is_none() {
            say(1, "it stands on no floor: FLOORS in tests/floors.rs does not list its module".to_owned());
        }
    }
    found
}

fn last(named: &Named) -> &str {
    named.segments.last().map_or("", String::as_str)
}

/// Why a name in the file `own` below `src` leads up.
fn climbs(own: &str, named: &Named) -> Option<String> {
    let (here, there) = (floor_of_file(own)?, floor_of(&target(own, &named.segments)?)?);
    (there > here).then(|| format!("goes up, from floor {here} to {there}"))
}

/// Why a name from outside of the crate does not belong into the file `own` below `src`.
fn misplaced(own: &str, named: &Named) -> Option<String> {
    let segments: Vec<_> = named.segments.iter().map(String::as_str).collect();
    let crate_name = segments[0];
    let is_crate = segments.len() > 1 || named.kind == Kind::Imported;
    let module = module_of(own);
    if is_crate && is_engine(crate_name) && module != "engine" {
        return Some("engines are named below src/engine alone".to_owned());
    }
    let is_subject = module == "front" && segments.get(1) == Some(&"Subject");
    if is_crate && crate_name == "async_nats" && !BUS_MODULES.contains(&module) && !is_subject {
        return Some(format!("the NATS client is named in {} alone", BUS_MODULES.join(", ")));
    }
    let floor = floor_of_file(own)?;
    let what = match segments.as_slice() {
        _ if floor > LAST_PURE_FLOOR => return None,
        ["std", "fs" | "net" | "process", ..] | ["std", "os", _, "fs" | "net" | "process", ..] => "I/O",
        _ if is_crate && MACHINE_CRATES.contains(&crate_name) => "I/O",
        ["rand_pcg", ..] if own == "clock.rs" => return None,
        _ if is_crate && RANDOM_CRATES.contains(&crate_name) => "dice",
        [.., _, "now"] => "clock",
        _ if segments.contains(&"SystemTime") => "clock",
        _ if segments.contains(&"HashMap") || segments.contains(&"HashSet") => "order by chance",
        _ => return None,
    };
    Some(format!("no {what} below floor {}", LAST_PURE_FLOOR + 1))
}

fn is_engine(crate_name: &str) -> bool {
    crate_name.starts_with("boa_") || matches!(crate_name, "rhai" | "wasmtime")
}

/// The module at the crate's root that a path leads into; absent where it leads out of the crate or stays in reach.
fn target(own: &str, segments: &[String]) -> Option<String> {
    let mut here: Vec<&str> = own.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    here.retain(|part| !matches!(*part, "lib" | "main"));
    let mut rest = segments.iter().map(String::as_str).peekable();
    match rest.next()? {
        "crate" => here.clear(),
        "self" => {}
        "super" => {
            here.pop();
            while rest.next_if_eq(&"super").is_some() {
                here.pop();
            }
        }
        _ => return None,
    }
    here.extend(rest);
    here.first().map(|module| (*module).to_owned())
}

fn module_of(own: &str) -> &str {
    own.split('/').next().unwrap_or(own).trim_end_matches(".rs")
}

/// The floor of a file below `src`; the crate's roots stand above all.
fn floor_of_file(own: &str) -> Option<usize> {
    if matches!(own, "lib.rs" | "main.rs") { Some(FLOORS.len()) } else { floor_of(module_of(own)) }
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Every Rust file below `folder`, by its path below the crate's root.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (Vec::new(), vec![root.join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_sources_keep_to_their_floors() {
    let files: Vec<_> = ["src", "tests", "benches"].into_iter().flat_map(files).collect();
    for floor in FLOORS {
        let is_here = |path: &str| path.strip_prefix("src/").is_some_and(|own| floor.contains(&module_of(own)));
        assert!(files.iter().any(|(path, _)| is_here(path)), "no file of {floor:?} was read");
    }
    let found: Vec<_> = files.iter().flat_map(|(path, text)| violations(path, text)).collect();
    assert!(found.is_empty(), "{} violations\n  {}", found.len(), found.join("\n  "));
}

/// Checks that `text` as the file at `path` has one violation for each of `expected`, which says part of it.
#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let text = format!("//! A file.\n{text}");
    let found = violations(path, &text);
    assert_eq!(found.len(), expected.len(), "{path} {text}: {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{path} {text}: {found}, expected {expected}");
    }
}

#[test]
fn imports_that_go_up_are_seen() {
    for (path, text, expected) in [
        ("src/model/node.rs", "use crate::chain::Chain;", "src/model/node.rs:2: `crate::chain::Chain`: goes up"),
        ("src/model/node.rs", "use crate::{clock, front::Front};", "`crate::front::Front`: goes up, from floor 0 to 5"),
        ("src/model/node.rs", "fn f() { crate::cli::main() }", "`crate::cli::main`: goes up"),
        ("src/model/node.rs", "use super::super::worker;", "`super::super::worker`: goes up"),
        ("src/model/mod.rs", "use super::engine::LANGUAGES;", "`super::engine::LANGUAGES`: goes up"),
        ("src/clock.rs", "use super::script;", "`super::script`: goes up"),
        ("src/chain/pernode.rs", "type T = <A as crate::engine::E>::T;", "`crate::engine::E`: goes up"),
        ("src/engine/builtin.rs", "use crate::config;", "goes up, from floor 2 to 3"),
        ("src/config/mod.rs", "use crate::nats::Namespace as N;", "`crate::nats::Namespace`: goes up"),
        ("src/registry/mod.rs", "pub(in crate::front) fn f() {}", "`crate::front`: goes up"),
        (
            "src/front/mod.rs",
            "\nuse crate::{\n    model,\n    cli::{exit::{self, Exit}},\n};",
            "src/front/mod.rs:5: `crate::cli::exit::self`",
        ),
        ("src/usher/mod.rs", "", "stands on no floor"),
        ("src/usher.rs", "use crate::model::Node;", "stands on no floor"),
    ] {
        let found = violations(path, &format!("//! A file.\n{text}"));
        assert!(found.iter().any(|found| found.contains(expected)), "{path} {text}: {found:#?}");
    }
}

#[test]
fn what_belongs_elsewhere_is_seen() {
    for (path, text, expected) in [
        ("src/chain/mod.rs", "use boa_engine::Context;", vec!["engines are named below"]),
        ("src/chain/mod.rs", "use rhai;\nuse tokio as t;", vec!["`rhai`", "`tokio`: no I/O"]),
        ("src/worker/child.rs", "fn f(c: rhai::Engine) {}", vec!["`rhai::Engine`"]),
        ("src/cli/place.rs", "use {std::fmt, wasmtime::Store};", vec!["`wasmtime::Store`"]),
        ("src/evaluator.rs", "fn f(s: async_nats::Subject) {}", vec!["the NATS client"]),
        ("src/worker/mod.rs", "use async_nats::Client;", vec!["the NATS client"]),
        ("src/front/task.rs", "use async_nats::{Client, Subject};", vec!["`async_nats::Client`"]),
        ("src/model/node.rs", "use tokio::sync::mpsc;", vec!["no I/O below floor 4"]),
        ("src/chain/mod.rs", "use std::{fs::File, fmt, net};", vec!["`std::fs::File`", "`std::net`"]),
        ("src/engine/mod.rs", "fn f() { std::process::exit(1) }", vec!["`std::process::exit`: no I/O"]),
        ("src/config/mod.rs", "use std::os::unix::fs::PermissionsExt;", vec!["no I/O"]),
        ("src/engine/mod.rs", "fn f() { let t = Instant::now(); }", vec!["`Instant::now`: no clock"]),
        ("src/clock.rs", "fn f() { jiff::Timestamp::now() }", vec!["no clock"]),
        ("src/evaluator.rs", "use std::time::SystemTime;", vec!["no clock"]),
        (
            "src/model/cluster.rs",
            "use std::collections::{BTreeMap, HashMap};",
            vec!["`std::collections::HashMap`: no order"],
        ),
        ("src/engine/mod.rs", "fn f(s: &HashSet<u8>) {}", vec!["no order by chance"]),
        ("src/evaluator.rs", "use rand_pcg::Pcg64Mcg;", vec!["no dice"]),
        ("src/clock.rs", "fn f() { rand::random() }", vec!["no dice"]),
        ("src/chain/mod.rs", "fn f() { getrandom::fill(&mut []) }", vec!["no dice"]),
        ("src/worker/seal.rs", "fn f() { unsafe { g() } }", vec!["`unsafe` stands in"]),
        ("src/worker/seal.rs", "unsafe impl Send for T {}", vec!["`unsafe` stands in"]),
        ("src/cli/mod.rs", "fn f() { todo!() }", vec!["`todo!` is left"]),
        ("src/cli/mod.rs", "fn f() { std::unimplemented!(\"later\") }", vec!["`std::unimplemented!` is left"]),
        ("tests/place.rs", "#[test]\n#[ignore]\nfn f() {}", vec!["tests/place.rs:3: a test is ignored"]),
        ("tests/place.rs", "#[ignore = \"slow\"]\nfn f() {}", vec!["a test is ignored"]),
    ] {
        check(path, text, &expected);
    }
    let long = "fn f() {}\n".repeat(MOST_LINES);
    check("src/cli/mod.rs", &long, &["451 lines without its tests"]);
    assert_eq!(
        violations("src/cli/mod.rs", "/// A file.\nfn f() {}\n"),
        ["src/cli/mod.rs:1: the file does not begin with `//!`"]
    );
}

#[test]
fn what_is_in_its_place_is_left_alone() {
    for (path, text) in [
        ("src/model/node.rs", "use super::report::Report;\nuse crate::clock::Moment;"),
        ("src/chain/mod.rs", "use crate::model;\nuse crate::script::Script;\nuse self::evaluate::Ask;"),
        ("src/engine/javascript/run.rs", "use boa_engine::Context;\nuse super::super::builtin;"),
        ("src/evaluator.rs", "use crate::config; use std::collections::BTreeMap;"),
        ("src/front/task.rs", "use async_nats::Subject;\nuse std::collections::HashMap;\nuse tokio::sync::mpsc;"),
        ("src/nats/connect.rs", "use async_nats::Client;\nfn f() { Instant::now() }"),
        ("src/cli/new/mod.rs", "mod rhai;\nfn f() { rhai::run() }\nuse self::rhai::RhaiArgs;"),
        ("src/clock.rs", "use rand_pcg::rand_core::Rng;\nfn f(moment: &Moment) { moment.now() }"),
        ("src/config/mod.rs", "fn f() -> core::net::SocketAddr { }"),
        ("src/main.rs", "fn main() { whither::cli::main() }"),
        ("src/worker/attempts.rs", "fn f() { unsafe { g() } }"),
        (
            "src/model/node.rs",
            "// use crate::front;\n/* tokio::spawn /* std::fs */ HashMap */\n/// `crate::cli` and todo!()",
        ),
        (
            "src/model/node.rs",
            "const A: &str = \"use crate::front; \\\" tokio::spawn\"; const B: char = '\"'; const C: &str = \"std::fs::x\";",
        ),
        (
            "src/model/node.rs",
            "const A: &str = r#\"crate::cli::x \" todo!()\"#; fn f<'a>(b: &'a [u8]) { b == br\"std::fs::x\" }",
        ),
        (
            "src/model/node.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::front::Front;\n    fn f() { HashMap::new(); { std::fs::x() } }\n}",
        ),
        ("src/model/node.rs", "#[cfg(test)]\nuse std::fs::File;\nfn f() {}"),
        ("src/model/node.rs", "fn f() { self.ignore(); ignore.todo; let todo = 1; }"),
        ("tests/place.rs", "use std::fs::File;\nuse crate::front;"),
    ] {
        check(path, text, &[]);
    }
    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn f() {}\n".repeat(MOST_LINES));
    check("src/cli/mod.rs", &tested, &[]);
}

/// What stands after test code is looked at again.
#[test]
fn tests_hide_nothing_behind_them() {
    check(
        "src/model/node.rs",
        "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nuse crate::front;",
        &["src/model/node.rs:6: `crate::front`: goes up"],
    );
}
