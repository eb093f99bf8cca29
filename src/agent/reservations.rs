//! Which reservation a session was started under: the launcher hands it down in `WHITHER_RESERVATION`, and a session's
//! process still has it in its environment.
//!
//! Only where the sessions command names a process and this agent may look at it. A user can write what he likes into
//! his own environment; all he can bring about is that a reservation ends early, which the node's report then makes up.

use std::io::Read;

use serde_json::Value;

use crate::model::report::MAX_ID_BYTES;

/// The variable in which a launcher hands the reservation down.
pub const VARIABLE: &str = "WHITHER_RESERVATION";
/// So much of an environment is looked at.
const MAX_ENVIRONMENT: u64 = 256 * 1024;

/// Adds `reservation` to each session that has a `pid` and does not say it itself.
pub fn fill(sessions: &mut [Value]) {
    for session in sessions.iter_mut().filter_map(Value::as_object_mut) {
        if session.contains_key("reservation") {
            continue;
        }
        if let Some(reservation) = session.get("pid").and_then(Value::as_u64).and_then(of_process) {
            session.insert("reservation".to_owned(), Value::String(reservation));
        }
    }
}

/// The reservation of the process `pid`, where it has one and may be looked at.
fn of_process(pid: u64) -> Option<String> {
    let mut environment = Vec::new();
    let file = std::fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(MAX_ENVIRONMENT).read_to_end(&mut environment).ok()?;
    in_environment(&environment)
}

fn in_environment(environment: &[u8]) -> Option<String> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec))?;
    let value = String::from_utf8(value).ok()?;
    let usable = (1..=MAX_ID_BYTES).contains(&value.len()) && !value.chars().any(char::is_control);
    usable.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_variable_is_found_and_judged() {
        assert_eq!(in_environment(b"A=1\0WHITHER_RESERVATION=r-7\0B=2\0").as_deref(), Some("r-7"));
        let long = format!("WHITHER_RESERVATION={}", "x".repeat(300));
        let none: [&[u8]; 5] =
            [b"", b"XWHITHER_RESERVATION=r", b"WHITHER_RESERVATION=", b"WHITHER_RESERVATION=a\nb", long.as_bytes()];
        for environment in none {
            assert_eq!(in_environment(environment), None);
        }
    }

    #[test]
    fn a_session_with_a_process_gets_its_reservation() {
        let mut child = std::process::Command::new("sleep").arg("1000").env(VARIABLE, "r-1").spawn().unwrap();
        let pid = child.id();
        let start = std::time::Instant::now();
        let mut sessions = vec![json!({"id": "a", "pid": pid}), json!({"pid": pid, "reservation": "own"}), json!("b")];
        // Between fork and exec the child still has our environment.
        while sessions[0].get("reservation").is_none() && start.elapsed().as_secs() < 60 {
            fill(&mut sessions);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(
            sessions,
            [
                json!({"id": "a", "pid": pid, "reservation": "r-1"}),
                json!({"pid": pid, "reservation": "own"}),
                json!("b")
            ]
        );
        let mut gone = vec![json!({"pid": u64::MAX}), json!({"pid": -1}), json!({"pid": "1"})];
        fill(&mut gone);
        assert!(gone.iter().all(|session| session.get("reservation").is_none()));
    }
}
