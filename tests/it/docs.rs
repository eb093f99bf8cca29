//! The documentation: its reference pages say what the code says, its links lead somewhere, its lines are short, the
//! README is short, and its examples run.
//!
//! What a reference page says of the code stands between two comments, `<!-- generated: NAME … -->` and
//! `<!-- end: NAME -->`. `WHITHER_BLESS=1 cargo test --test it -- docs::` writes those parts anew; without the variable a
//! part that is out of date is a failure. Rejected: a build script, which would make every build depend on the documentation.

mod bus;
mod checks;
mod cli;
mod config;
#[path = "../../examples/evaluator.rs"]
#[allow(dead_code, missing_docs, reason = "an example has a `main` for itself")]
mod evaluator;
mod markdown;
mod script;
mod suite;
mod tour;

use std::path::Path;

use markdown::{Page, pages};

/// The most columns of a line, and the most lines and words of the README.
const COLUMNS: usize = 120;
const README: (usize, usize) = (180, 1_200);

/// What the part called `name` says.
fn generated(name: &str) -> String {
    match name.split_once(' ') {
        Some(("file", path)) => verbatim(path),
        None => match name {
            "checks" => checks::codes(),
            "cli" => cli::commands(),
            "config" => config::keys(),
            "config-file" => config::file(),
            "test-file" => suite::keys(),
            "subjects" => bus::subjects(),
            "names" => bus::names(),
            "errors" => bus::errors(),
            "limits" => bus::limits(),
            "start-faults" => bus::start_faults(),
            "exit-codes" => bus::exit_codes(),
            "metrics" => bus::metrics(),
            "input" => script::input(),
            "node" => script::node(),
            "session" => script::session(),
            "builtins" => script::builtins(),
            _ => panic!("nothing writes a part called `{name}`"),
        },
        Some(_) => panic!("nothing writes a part called `{name}`"),
    }
}

/// The file at `path` below the crate's root, as code.
fn verbatim(path: &str) -> String {
    let extension = path.rsplit('.').next().unwrap();
    let language = [("rs", "rust"), ("py", "python"), ("mjs", "js"), ("sh", "sh")]
        .into_iter()
        .find(|(known, _)| *known == extension);
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    format!("```{}\n{}\n```", language.map_or("text", |(_, language)| language), text.trim_end())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_is_generated_says_what_the_code_says() {
    let is_blessed = std::env::var_os("WHITHER_BLESS").is_some();
    let (mut parts, mut outdated) = (0, Vec::new());
    for page in pages() {
        let (anew, count) = page.rewritten(generated);
        parts += count;
        if anew == page.text {
            continue;
        }
        if is_blessed {
            std::fs::write(root().join(&page.path), anew).unwrap();
            continue;
        }
        let lines = page.text.lines().zip(anew.lines()).enumerate();
        let first = lines.clone().find(|(_, (old, new))| old != new).map_or(page.text.lines().count(), |(at, _)| at);
        outdated.push(format!(
            "{}:{}\n  is:     {}\n  should: {}",
            page.path,
            first + 1,
            page.text.lines().nth(first).unwrap_or_default(),
            anew.lines().nth(first).unwrap_or_default()
        ));
    }
    assert!(parts >= 12, "{parts} parts are generated");
    assert!(
        outdated.is_empty(),
        "the reference is out of date; `WHITHER_BLESS=1 cargo test --test it -- docs::` writes it anew\n{}",
        outdated.join("\n")
    );
}

#[test]
fn every_page_is_in_the_summary() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.path == "docs/src/SUMMARY.md").unwrap();
    let linked: Vec<_> = summary.links().into_iter().filter_map(|link| summary.target(&link.to)).collect();
    let missing: Vec<_> = pages
        .iter()
        .filter(|page| page.path.starts_with("docs/src/") && page.path != summary.path)
        .filter(|page| !linked.iter().any(|(path, _)| *path == page.path))
        .map(|page| &page.path)
        .collect();
    assert!(missing.is_empty(), "docs/src/SUMMARY.md does not name {missing:?}");
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut wrong = Vec::new();
    for page in &pages {
        for link in page.links() {
            let Some((path, anchor)) = page.target(&link.to) else { continue };
            let at = format!("{}:{}: {}", page.path, link.line, link.to);
            if !root().join(&path).exists() {
                wrong.push(format!("{at} leads nowhere"));
                continue;
            }
            let Some(anchor) = anchor else { continue };
            let target = pages.iter().find(|other| other.path == path);
            if !target.is_some_and(|target| target.anchors().contains(&anchor)) {
                wrong.push(format!("{at}: {path} has no such heading"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A link, an anchor, a fence and a heading that is there twice, as the other tests read them.
#[test]
fn a_link_that_leads_nowhere_is_seen() {
    let page = Page {
        path: "docs/src/guide/a.md".to_owned(),
        text: "# One `two`\n[a](../b.md#x-y) `[no](link)`\n```\n[no](x.md)\n# no\n```\n## One two\n[u](https://x.y)"
            .to_owned(),
    };
    let links = page.links();
    assert_eq!(
        links.iter().map(|link| (link.line, link.to.as_str())).collect::<Vec<_>>(),
        [(2, "../b.md#x-y"), (8, "https://x.y")]
    );
    assert_eq!(page.target(&links[0].to), Some(("docs/src/b.md".to_owned(), Some("x-y".to_owned()))));
    assert_eq!(page.target(&links[1].to), None);
    assert_eq!(page.anchors(), ["one-two", "one-two-1"]);
}

#[test]
fn lines_are_short() {
    let is_held_to_it = |page: &&Page| {
        page.path.starts_with("docs/")
            || matches!(&*page.path, "README.md" | "ARCHITECTURE.md" | "CONTRIBUTING.md" | "SECURITY.md")
    };
    let long: Vec<_> = pages()
        .iter()
        .filter(is_held_to_it)
        .flat_map(|page| {
            page.long_lines(COLUMNS).into_iter().map(|line| format!("{}:{line}", page.path)).collect::<Vec<_>>()
        })
        .collect();
    assert!(long.is_empty(), "more than {COLUMNS} columns, and no table and no link:\n{}", long.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (lines, words) = (text.lines().count(), text.split_whitespace().count());
    assert!(
        lines <= README.0 && words <= README.1,
        "README.md has {lines} lines and {words} words, at most {README:?}"
    );
}

/// Comments name pages and sections; those that they name must be there.
#[test]
fn what_comments_refer_to_is_there() {
    let architecture = pages().into_iter().find(|page| page.path == "ARCHITECTURE.md").unwrap();
    let headings = architecture.headings();
    let mut wrong = Vec::new();
    for (path, text) in markdown::sources() {
        for (number, line) in text.lines().enumerate() {
            let at = format!("{path}:{}", number + 1);
            if let Some((_, rest)) = line.split_once("ARCHITECTURE.md, ") {
                let is_there = headings.iter().any(|heading| rest.starts_with(heading.as_str()));
                if !is_there && path != "tests/it/docs.rs" {
                    wrong.push(format!("{at}: ARCHITECTURE.md has no section {rest}"));
                }
            }
            for (start, _) in line.match_indices("docs/src/") {
                let named: String =
                    line[start..].chars().take_while(|c| c.is_alphanumeric() || "/.-_".contains(*c)).collect();
                let named = named.trim_end_matches('.');
                if named.ends_with(".md") && !root().join(named).exists() && !path.starts_with("tests/it/docs") {
                    wrong.push(format!("{at}: there is no {named}"));
                }
            }
        }
    }
    for page in pages() {
        for (line, file) in page.named_files() {
            if !root().join(&file).exists() && !root().join("src").join(&file).exists() {
                wrong.push(format!("{}:{line}: there is no {file}", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_an_evaluator_runs() {
    evaluator::main();
}
