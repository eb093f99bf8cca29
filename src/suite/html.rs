//! Coverage as pages of HTML: one with all scripts, and one for each with its source and counts.

use std::fmt::Write;

use super::coverage::{Part, ScriptCoverage};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em;color:#222}\
table{border-collapse:collapse}td,th{padding:.1em .8em;text-align:left}\
.code td{font:13px/1.45 ui-monospace,monospace;white-space:pre;padding:0 .8em}\
.number,.count{color:#777;text-align:right}.ran{background:#e8f7e8}.missed{background:#fde4e1}\
.partly{background:#fff3cd}.note{color:#a33;white-space:normal}\
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}a{color:#8cf}\
.ran{background:#16321a}.missed{background:#451c18}.partly{background:#453a10}.note{color:#f99}}";

/// The page of all `scripts`, each with the file of its own page.
#[must_use]
pub fn index(scripts: &[(ScriptCoverage, String)]) -> String {
    let mut rows = String::new();
    for (script, file) in scripts {
        let name = escape(&script.path);
        let (lines, ways) = (script.line_part(), script.way_part());
        let _ = writeln!(
            rows,
            "<tr><td><a href=\"{}\">{name}</a></td><td class=\"{}\">{lines}</td><td class=\"{}\">{ways}</td></tr>",
            escape(file),
            class(lines),
            class(ways)
        );
    }
    let table = format!("<table><tr><th>script</th><th>lines</th><th>ways of branches</th></tr>\n{rows}</table>");
    page("Coverage", &table)
}

/// The page of one script.
#[must_use]
pub fn script(script: &ScriptCoverage) -> String {
    let mut rows = String::new();
    for (number, text) in (1_u32..).zip(script.source.lines()) {
        let count = script.lines.get(&number);
        let ways: Vec<_> = script.branches.iter().filter(|branch| branch.line == number).collect();
        let missed = ways.iter().flat_map(|branch| &branch.ways).filter(|count| **count == 0).count();
        let class = match count {
            Some(0) => "missed",
            _ if missed > 0 => "partly",
            Some(_) => "ran",
            None => "",
        };
        let note = match missed {
            0 => String::new(),
            missed => {
                let all: usize = ways.iter().map(|branch| branch.ways.len()).sum();
                format!("{missed} of {all} ways not taken")
            }
        };
        let _ = writeln!(
            rows,
            "<tr class=\"{class}\"><td class=\"number\">{number}</td><td class=\"count\">{}</td><td>{}</td>\
             <td class=\"note\">{note}</td></tr>",
            count.map(ToString::to_string).unwrap_or_default(),
            escape(text)
        );
    }
    let (lines, ways) = (script.line_part(), script.way_part());
    let body = format!(
        "<p><a href=\"index.html\">all scripts</a> · lines {lines} · ways of branches {ways}</p>\n\
         <table class=\"code\">\n{rows}</table>"
    );
    page(&script.path, &body)
}

fn class(part: Part) -> &'static str {
    match part.reached {
        reached if reached == part.total => "ran",
        0 => "missed",
        _ => "partly",
    }
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\n\
         <h1>{title}</h1>\n{body}\n</html>\n"
    )
}

/// `text` as it stands in a page or in XML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML knows no other control characters, not even escaped.
            '\t' | '\n' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
