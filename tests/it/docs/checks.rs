//! The reference of checks: every code with why it is a mistake, the mistake made, and the same put right.

use whither::check::{Code, FindingLevel};

use super::markdown::{code, filled, table};

/// The codes in a table, and a section for each.
pub(crate) fn codes() -> String {
    let row =
        |one: &Code| [format!("[{0}](#{1})", one.name(), anchor(*one)), level(*one).to_owned(), one.about().to_owned()];
    let mut parts = vec![table(["code", "level", "what"], Code::ALL.iter().map(row))];
    parts.extend(Code::ALL.iter().map(|one| section(*one)));
    parts.join("\n\n")
}

fn section(one: Code) -> String {
    let page = one.page();
    let fence = |text: &str| format!("```{}\n{}\n```", page.language, text.trim_end());
    format!(
        "## {}: {}\n\n{}\n\n{} finds this:\n\n{}\n\nRight:\n\n{}",
        one.name(),
        one.about(),
        filled(page.why),
        code("whither check"),
        fence(page.wrong),
        fence(page.right)
    )
}

/// The anchor of the heading of a section.
fn anchor(one: Code) -> String {
    let heading = format!("{}: {}", one.name(), one.about());
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.chars().filter(|c| plain(*c)).collect::<String>().to_lowercase().replace(' ', "-")
}

fn level(one: Code) -> &'static str {
    match one.level() {
        FindingLevel::Error => "error",
        FindingLevel::Warning => "warning",
        FindingLevel::Note => "note",
    }
}
