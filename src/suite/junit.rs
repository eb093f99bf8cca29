//! The results of a test run as JUnit's XML, which CI servers read.
//!
//! Written by hand: a crate for it brings a writer of XML, a clock and random ids for thirty lines.

use std::fmt::Write;
use std::time::Duration;

use super::html::escape;
use super::judge::Complaint;
use super::result::{CaseResult, CaseVerdict, SuiteResult, Totals};

/// `suites` as XML.
#[must_use]
pub fn junit(suites: &[SuiteResult]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let totals = Totals::of(suites);
    let time: Duration = suites.iter().flat_map(|suite| &suite.cases).map(|case| case.took).sum();
    let _ = writeln!(text, "<testsuites name=\"whither test\" {}>", figures(totals, time));
    for suite in suites {
        let own = Totals::of(std::slice::from_ref(suite));
        let time = suite.cases.iter().map(|case| case.took).sum();
        let _ = writeln!(text, "  <testsuite name=\"{}\" {}>", escape(&suite.file), figures(own, time));
        if !suite.problems.is_empty() {
            let _ = writeln!(
                text,
                "    <testcase name=\"{0}\" classname=\"{0}\" time=\"0\">\n      \
                 <error message=\"the file cannot be read as tests\">{1}</error>\n    </testcase>",
                escape(&suite.file),
                escape(&suite.problems)
            );
        }
        suite.cases.iter().for_each(|own| case(&mut text, suite, own));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn figures(totals: Totals, time: Duration) -> String {
    let tests = totals.passed + totals.failed + totals.broken + totals.unread;
    let errors = totals.broken + totals.unread;
    format!("tests=\"{tests}\" failures=\"{}\" errors=\"{errors}\" time=\"{:.6}\"", totals.failed, time.as_secs_f64())
}

fn case(text: &mut String, suite: &SuiteResult, case: &CaseResult) {
    let file = escape(&suite.file);
    let head = format!(
        "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{}\" time=\"{:.6}\"",
        escape(&case.name),
        case.line,
        case.took.as_secs_f64()
    );
    let _ = match &case.verdict {
        CaseVerdict::Passed => writeln!(text, "{head}/>"),
        CaseVerdict::Broken(why) => writeln!(
            text,
            "{head}>\n      <error message=\"the case could not be run\">{}</error>\n    </testcase>",
            escape(why)
        ),
        CaseVerdict::Failed(failure) => {
            let told: Vec<_> = failure.complaints.iter().map(words).collect();
            let first = told.first().map(String::as_str).unwrap_or_default();
            writeln!(
                text,
                "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escape(first),
                escape(&told.join("\n"))
            )
        }
    };
}

/// A complaint in one line.
#[must_use]
pub fn words(complaint: &Complaint) -> String {
    let at = complaint.request.map(|request| format!(" (request {})", request + 1)).unwrap_or_default();
    format!("{}: expected {}, got {}{at}", complaint.key, complaint.expected.join(", "), complaint.got.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::result::CaseFailure;
    use super::*;

    #[test]
    fn what_users_write_cannot_break_the_document() {
        let complaint = Complaint {
            key: "expect.node",
            expected: vec!["node <a>".to_owned()],
            got: vec!["node \"b\" & \u{1b}".to_owned()],
            request: Some(0),
        };
        let failure = CaseFailure { complaints: vec![complaint], explanation: None, cluster: None };
        let case = |verdict| CaseResult {
            name: "a < b".into(),
            line: 3,
            verdict,
            took: Duration::from_millis(2),
            questions: 1,
        };
        let cases = vec![case(CaseVerdict::Passed), case(CaseVerdict::Failed(Box::new(failure)))];
        let suite = SuiteResult { file: "x.test.toml".into(), cases, problems: String::new(), is_unread: false };
        let text = junit(&[suite]);
        assert!(text.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{text}");
        assert!(text.contains("expected node &lt;a&gt;, got node &quot;b&quot; &amp; \u{fffd} (request 1)"), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("name=\"a &lt; b\""));
    }
}
