//! The reservation that a session was started under: the launcher passes the reservation in `WHITHER_RESERVATION`, and
//! a session's process still has the variable in the environment.
//!
//! Only for sessions listed with a process that this agent may read. A user can write anything into the environment of
//! a session; the only effect is that a reservation ends early, and then the node's report counts the session.

use std::io::Read;

use rustix::process::Pid;
use serde_json::Value;

use crate::model::report::MAX_ID_BYTES;

/// The variable in which a launcher passes the reservation.
pub const VARIABLE: &str = "WHITHER_RESERVATION";
/// The most bytes of an environment that are read.
const MAX_ENVIRONMENT: u64 = 256 * 1024;

/// Adds `reservation` to each session that has a `pid` and no `reservation`.
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

/// Returns the processes with `reservation` in their environment, as far as this agent may read the environments. A
/// process that has ended and was not waited for has no environment.
#[must_use]
pub fn processes_of(reservation: &str) -> Vec<Pid> {
    processes_with(VARIABLE, |found| found == reservation)
}

/// Returns the processes with the variable `name` in their environment and a value that `is_meant` accepts, as far as
/// this agent may read the environments.
pub(super) fn processes_with(name: &str, is_meant: impl Fn(&str) -> bool) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let value = |pid: i32| value_of(u64::try_from(pid).ok()?, name);
    pids.filter(|pid| value(*pid).is_some_and(|value| is_meant(&value))).filter_map(Pid::from_raw).collect()
}

/// Returns the reservation of the process `pid`, where the process has a reservation and may be read.
fn of_process(pid: u64) -> Option<String> {
    value_of(pid, VARIABLE)
}

/// Returns the value of the variable `name` in the environment of the process `pid`.
fn value_of(pid: u64, name: &str) -> Option<String> {
    let mut environment = Vec::new();
    let file = std::fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(MAX_ENVIRONMENT).read_to_end(&mut environment).ok()?;
    in_environment(&environment, name)
}

fn in_environment(environment: &[u8], name: &str) -> Option<String> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec))?;
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
        assert_eq!(in_environment(b"A=1\0WHITHER_RESERVATION=r-7\0B=2\0", VARIABLE).as_deref(), Some("r-7"));
        let long = format!("WHITHER_RESERVATION={}", "x".repeat(300));
        let none: [&[u8]; 5] =
            [b"", b"XWHITHER_RESERVATION=r", b"WHITHER_RESERVATION=", b"WHITHER_RESERVATION=a\nb", long.as_bytes()];
        for environment in none {
            assert_eq!(in_environment(environment, VARIABLE), None);
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
