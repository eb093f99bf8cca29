//! Tests of the command `logs`.

use super::*;

#[test]
fn times_are_short_words() {
    assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
    assert_eq!(time("1h30m"), Ok(Duration::from_secs(5400)));
    assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
    for wrong in ["", "10", "soon", "-5m"] {
        assert!(time(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn no_line_steers_the_terminal() {
    let line = KeptLine {
        seq: 1,
        at_ms: 1_800_000_000_123,
        level: LineLevel::Warn,
        target: "whither::\u{1b}[2J".to_owned(),
        text: "a\r\u{1b}]0;x\u{7}b".to_owned(),
    };
    let shown = anstream::adapter::strip_str(&shown(&line, "agent/\u{9b}31m")).to_string();
    assert_eq!(shown, "2027-01-15T08:00:00.123Z  WARN agent/\\u{9b}31m whither::\\u{1b}[2J a\\r\\u{1b}]0;x\\u{7}b");
}
