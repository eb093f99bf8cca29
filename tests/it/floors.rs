//! The floors of the code: imports only go down, and each crate from outside stays on the floor that it belongs to.
//!
//! `ARCHITECTURE.md` says why. The rules are checked on the sources themselves, and on planted violations, so that a
//! rule which no longer sees anything fails too; `floors/planted.txt` has those.

mod circles;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use circles::circles;
use source::{Kind, Named, Source};

/// Each module below `src`, on its floor.
const FLOORS: [&[&str]; 8] = [
    &["model", "clock", "plain", "trace"],
    &["script", "chain", "token"],
    &["engine"],
    &["evaluator", "explain", "config", "check", "types", "suite"],
    &[
        "allocator",
        "backoff",
        "host",
        "ipc",
        "log",
        "pulse",
        "resources",
        "system_clock",
        "worker",
        "runner",
        "registry",
        "nats",
    ],
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

/// Circles of today: files below `src`, and the files of other folders on which they lean and from where a way leads
/// back. The list may only shrink.
const CIRCLES: [(&str, &[&str]); 10] = [
    ("chain/evaluate.rs", &["chain/plan/mod.rs", "chain/plan/scan.rs"]),
    ("chain/evaluate/resume.rs", &["chain/mod.rs", "chain/plan/mod.rs"]),
    ("chain/plan/index.rs", &["chain/asking.rs", "chain/evaluate.rs", "chain/result_cache.rs", "chain/mod.rs"]),
    ("chain/plan/late.rs", &["chain/asking.rs", "chain/evaluate.rs", "chain/result_cache.rs", "chain/mod.rs"]),
    ("chain/plan/mod.rs", &["chain/result_cache.rs"]),
    ("chain/plan/note.rs", &["chain/evaluate.rs", "chain/mod.rs"]),
    ("chain/plan/scan.rs", &["chain/asking.rs", "chain/evaluate.rs", "chain/result_cache.rs", "chain/mod.rs"]),
    ("engine/javascript/console/format.rs", &["engine/javascript/tools.rs"]),
    ("engine/rhai/program.rs", &["engine/mod.rs"]),
    ("engine/wasm/language.rs", &["engine/mod.rs"]),
];

/// What is wrong with the file at `path` below the crate's root, each with its line.
fn violations(path: &str, text: &str, source: &Source) -> Vec<String> {
    let own = path.strip_prefix("src/");
    let mut found = Vec::new();
    let mut say = |line: usize, what: String| found.push(format!("{path}:{line}: {what}"));
    for named in &source.named {
        let (whole, last) = (named.segments.join("::"), named.segments.last().map_or("", String::as_str));
        match &named.kind {
            Kind::Macro if matches!(last, "todo" | "unimplemented") => say(named.line, format!("`{whole}!` is left")),
            Kind::Attribute if whole == "ignore" => say(named.line, "a test is ignored".to_owned()),
            _ => {}
        }
        // A module of the file's own may be called like a crate.
        let is_module = source.modules.contains(&named.segments[0]);
        let foreign = own.filter(|_| !is_module).and_then(|own| misplaced(own, named));
        for why in [own.and_then(|own| climbs(own, named)), foreign].into_iter().flatten() {
            say(named.line, format!("`{whole}`: {why}"));
        }
    }
    let Some(own) = own else { return found };
    for line in source.unsafe_lines.iter().filter(|_| !UNSAFE_FILES.contains(&own)) {
        say(*line, format!("`unsafe` stands in {} alone", UNSAFE_FILES.join(", ")));
    }
    if !text.starts_with("//! ") {
        say(1, "the file does not begin with `//!`".to_owned());
    }
    if source.lines > MOST_LINES {
        say(source.lines, format!("{} lines without its tests, at most {MOST_LINES}", source.lines));
    }
    if floor_of_file(own).is_none() {
        say(1, "it stands on no floor: FLOORS in tests/it/floors.rs does not list its module".to_owned());
    }
    found
}

/// Why a name in the file `own` below `src` leads up.
fn climbs(own: &str, named: &Named) -> Option<String> {
    let (here, there) = (floor_of_file(own)?, floor_of(named.absolute()?.first()?)?);
    (there > here).then(|| format!("goes up, from floor {here} to {there}"))
}

/// Why a name from outside of the crate does not belong into the file `own` below `src`.
fn misplaced(own: &str, named: &Named) -> Option<String> {
    let segments: Vec<_> = named.segments.iter().map(String::as_str).collect();
    let crate_name = segments[0];
    let is_crate = segments.len() > 1 || matches!(named.kind, Kind::Imported(_));
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
    crate_name.starts_with("boa_") || matches!(crate_name, "rhai" | "wasmtime" | "regex" | "regex_syntax")
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

fn look(path: &str, text: &str) -> Vec<String> {
    match Source::read(path, text) {
        Ok(source) => violations(path, text, &source),
        Err(error) => vec![format!("{path}:{}: {error}", error.span().start().line)],
    }
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
    let found: Vec<_> = files.iter().flat_map(|(path, text)| look(path, text)).collect();
    assert!(found.is_empty(), "{} violations\n  {}", found.len(), found.join("\n  "));
}

#[test]
fn folders_lean_on_each_other_in_no_new_circle() {
    let files = files("src").into_iter().filter(|(path, _)| !path.contains("/tests"));
    let sources: Vec<_> = files.map(|(path, text)| read(&path, &text)).collect();
    let mut listed: BTreeSet<_> =
        CIRCLES.iter().flat_map(|(from, all)| all.iter().map(move |to| [*from, *to])).collect();
    let mut new = circles(&sources);
    new.retain(|circle| !listed.remove(&[own(circle[0]), own(circle[1])]));
    let shown: Vec<_> = new.iter().map(|circle| circle.join(" -> ")).collect();
    assert!(shown.is_empty(), "{} new circles, each back to its start:\n  {}", shown.len(), shown.join("\n  "));
    assert!(listed.is_empty(), "these are no circles any more, take them from CIRCLES: {listed:#?}");
}

/// Each file has the violations that its line lists, in this order, and no other one.
#[test]
fn planted_files_are_told_apart() {
    let planted: Vec<_> =
        include_str!("../floors/planted.txt").lines().filter(|line| line.contains(" | ")).skip(1).collect();
    assert!(planted.len() > 60, "{} planted files were read", planted.len());
    for line in planted {
        let mut columns = line.split(" | ");
        let (path, text) = (columns.next().unwrap(), columns.next().unwrap().replace("\\n", "\n"));
        let expected: Vec<_> = columns.flat_map(|expected| expected.split("; ")).collect();
        check(path, &text, &expected);
    }
}

#[test]
fn lines_are_counted_and_files_begin_with_what_they_are() {
    let (long, first) = ("fn f() {}\n".repeat(MOST_LINES), "src/cli/mod.rs:1: the file does not begin with `//!`");
    check("src/cli/mod.rs", &long, &["451 lines without its tests"]);
    check("src/cli/mod.rs", &format!("#[cfg(test)]\nmod tests {{\n{long}}}\n"), &[]);
    assert_eq!(look("src/cli/mod.rs", "/// A file.\nfn f() {}\n"), [first]);
}

/// Checks that `text` as the file at `path` has one violation for each of `expected`, which says part of it.
fn check(path: &str, text: &str, expected: &[&str]) {
    let found = look(path, &format!("//! A file.\n{text}"));
    let is_same = found.len() == expected.len() && found.iter().zip(expected).all(|(found, part)| found.contains(part));
    assert!(is_same, "{path} {text}: {found:#?}, expected {expected:#?}");
}

#[test]
fn circles_through_folders_are_seen() {
    for (files, expected) in [
        (
            "a/x.rs: use crate::b::y::Y; | b/y.rs: fn f() { m! { a => crate::a::x::g() } }",
            "a/x.rs b/y.rs, b/y.rs a/x.rs",
        ),
        (
            "a/mod.rs: mod x; pub use x::X; | a/x.rs: use super::super::b::{c::{self, Y}}; \
             | b/c/mod.rs: mod y; pub use self::y::{Z as Y}; | b/c/y.rs: use crate::a as o; fn f() { o::X::new() }",
            "a/x.rs b/c/y.rs, b/c/y.rs a/x.rs",
        ),
        (
            "a.rs: use b::B; mod b; use crate::c::C; | a/b.rs: use super::A; | c.rs: use crate::a::b::B;",
            "c.rs a/b.rs a.rs",
        ),
        ("a/x.rs: use super::y::Y; | a/y.rs: use super::x::X;", ""),
        ("a/mod.rs: mod x; use x::X; | a/x.rs: use super::A;", ""),
        ("a.rs: mod x; use self::x::X; | a/x.rs: use super::A; | b.rs: use crate::a::A;", ""),
        ("a/x.rs: pub(in crate::b) fn f() {} | b/mod.rs: use crate::a::x::f;", ""),
        ("a/x.rs: #[cfg(test)] use crate::b::y::Y; | b/y.rs: use crate::a::x::X;", ""),
        ("a/x.rs: use std::fmt; fn f() { fmt::b() } | b/y.rs: use crate::a::x::X; use y::y;", ""),
    ] {
        let files = files.split(" | ").map(|file| file.split_once(": ").unwrap());
        let sources: Vec<_> = files.map(|(own, text)| read(&format!("src/{own}"), text)).collect();
        let found: Vec<_> = circles(&sources).iter().map(|circle| circle.join(" ").replace("src/", "")).collect();
        assert_eq!(found.join(", "), expected);
    }
}

fn read(path: &str, text: &str) -> (String, Source) {
    (path.to_owned(), Source::read(path, text).unwrap())
}

fn own(path: &str) -> &str {
    path.trim_start_matches("src/")
}
