//! Pages of Markdown as far as their tests read them: generated parts, links, headings, lines.

use std::collections::BTreeMap;
use std::path::Path;

use super::root;

/// A page of the documentation.
pub(crate) struct Page {
    /// Its path below the crate's root.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// A link in a page.
pub(crate) struct Link {
    /// The line that it stands on, from 1.
    pub(crate) line: usize,
    /// Where it leads.
    pub(crate) to: String,
}

/// Every page that is looked at: those of the repository's root, of the book and of folders that have one.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    for folder in ["", "docs", "scripts", "fuzz", "benches"] {
        let deep = folder == "docs";
        below(&root().join(folder), deep, "md", &mut paths);
    }
    paths.sort();
    let read = |path: String| Page { text: std::fs::read_to_string(root().join(&path)).unwrap(), path };
    paths.into_iter().map(read).collect()
}

/// Every source file whose comments may name a page, with its text.
pub(crate) fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz/src"] {
        below(&root().join(folder), true, "rs", &mut paths);
    }
    let read = |path: String| (path.clone(), std::fs::read_to_string(root().join(&path)).unwrap());
    paths.into_iter().map(read).collect()
}

fn below(folder: &Path, deep: bool, extension: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && deep {
            below(&path, deep, extension, found);
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
}

impl Page {
    /// The page with its generated parts as `write` writes them, and how many there are.
    pub(crate) fn rewritten(&self, write: impl Fn(&str) -> String) -> (String, usize) {
        let (mut anew, mut within, mut parts) = (String::new(), None, 0);
        for line in self.text.lines() {
            let marked = |start: &str| line.strip_prefix(start).and_then(|rest| rest.strip_suffix(" -->"));
            match (marked("<!-- generated: "), marked("<!-- end: "), &within) {
                (Some(name), _, None) => {
                    anew.push_str(&format!("{line}\n\n{}\n\n", write(name).trim_end()));
                    within = Some(name);
                    parts += 1;
                }
                (_, Some(name), Some(open)) if name == *open => {
                    anew.push_str(&format!("{line}\n"));
                    within = None;
                }
                (_, _, None) => anew.push_str(&format!("{line}\n")),
                _ => {}
            }
        }
        assert!(within.is_none(), "{}: the part `{within:?}` has no end", self.path);
        (anew, parts)
    }

    /// Its lines that are no code, each with its number and without code in it.
    fn prose(&self) -> Vec<(usize, String)> {
        let mut is_code = false;
        let lines = self.text.lines().enumerate().filter_map(|(number, line)| {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
                return None;
            }
            // What stands between two backticks is shown as it is.
            let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
            (!is_code).then_some((number + 1, plain))
        });
        lines.collect()
    }

    /// Its links, in order.
    pub(crate) fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            for (at, _) in text.match_indices("](") {
                let to = text[at + 2..].split(')').next().unwrap().to_owned();
                links.push(Link { line, to });
            }
        }
        links
    }

    /// The file that the link `to` leads to, and the heading in it; absent where it leads out of the repository.
    pub(crate) fn target(&self, to: &str) -> Option<(String, Option<String>)> {
        if to.contains("://") || to.starts_with("mailto:") {
            return None;
        }
        let (path, anchor) = match to.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor.to_owned())),
            None => (to, None),
        };
        if path.is_empty() {
            return Some((self.path.clone(), anchor));
        }
        let mut parts: Vec<_> = self.path.split('/').collect();
        parts.pop();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match part {
                "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        Some((parts.join("/"), anchor))
    }

    /// Its headings, as they are written.
    pub(crate) fn headings(&self) -> Vec<String> {
        let mut is_code = false;
        let headings = self.text.lines().filter_map(|line| {
            is_code ^= line.trim_start().starts_with("```");
            let heading = line.trim_start_matches('#');
            (!is_code && heading.len() < line.len() && heading.starts_with(' ')).then(|| heading.trim().to_owned())
        });
        headings.collect()
    }

    /// The anchors of its headings, as GitHub and mdBook make them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        let anchor = |heading: String| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
            let times = seen.entry(anchor.clone()).or_default();
            *times += 1;
            if *times > 1 { format!("{anchor}-{}", *times - 1) } else { anchor }
        };
        self.headings().into_iter().map(anchor).collect()
    }

    /// The source files that it names as code, by a path with a folder in it, each with its line.
    pub(crate) fn named_files(&self) -> Vec<(usize, String)> {
        let named = |(number, line): (usize, &str)| {
            let spans: Vec<_> = line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let is_file = |span: &String| {
                span.ends_with(".rs")
                    && span.contains('/')
                    && span.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c))
            };
            spans.into_iter().filter(is_file).map(move |span| (number + 1, span)).collect::<Vec<_>>()
        };
        self.text.lines().enumerate().flat_map(named).collect()
    }

    /// The numbers of its lines of more than `most` columns. Tables, links, drawn output and what is generated may be as
    /// long as they are.
    pub(crate) fn long_lines(&self, most: usize) -> Vec<usize> {
        let may_be_long = |line: &str| {
            line.trim_start().starts_with('|') || ["](", "://", "─", "│", "═"].iter().any(|part| line.contains(part))
        };
        let mut is_generated = false;
        let lines = self.text.lines().enumerate().filter(|(_, line)| {
            is_generated |= line.starts_with("<!-- generated: ");
            is_generated &= !line.starts_with("<!-- end: ");
            !is_generated && line.chars().count() > most && !may_be_long(line)
        });
        lines.map(|(at, _)| at + 1).collect()
    }
}

/// A table with these `heads`.
pub(crate) fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | ").replace("|  |", "| |"));
    let mut lines = vec![line(&heads.map(str::to_owned)), line(&heads.map(|_| "---".to_owned()))];
    lines.extend(rows.into_iter().map(|row| line(&row.map(|cell| cell.replace('\n', " ")))));
    lines.join("\n")
}

/// `text` as code, where there is any.
pub(crate) fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// `text` in lines of at most 118 columns, each paragraph by itself.
pub(crate) fn filled(text: &str) -> String {
    let paragraph = |paragraph: &str| {
        let mut lines = vec![String::new()];
        for word in paragraph.split_whitespace() {
            let line = lines.last_mut().unwrap();
            if line.chars().count() + 1 + word.chars().count() > 118 {
                lines.push(word.to_owned());
            } else {
                let gap = if line.is_empty() { "" } else { " " };
                line.push_str(&format!("{gap}{word}"));
            }
        }
        lines.join("\n")
    };
    text.split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n")
}
