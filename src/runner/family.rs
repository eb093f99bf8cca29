//! Processes by their kinship, read from `/proc`.
//!
//! A program may leave children behind that left the program's group and session. They become children of the nearest
//! subreaper, which finds them here; their environment names the run to which they belong.

use std::fs;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// The environment variable with the name of the run to which a process belongs.
pub const RUN_VARIABLE: &str = "WHITHER_RUN";
/// The most descendants that are looked at when they are counted.
const MAX_COUNTED: usize = 20_000;

/// Returns the children of the process `pid`.
#[must_use]
pub fn children(pid: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids: Vec<_> = lists.flat_map(|list| list.split_whitespace().filter_map(parse).collect::<Vec<_>>()).collect();
    pids
}

/// Returns the number of processes that descend from `pid`, `pid` included; counting stops past `most`.
#[must_use]
pub fn count(pid: Pid, most: usize) -> usize {
    let (mut known, mut next) = (vec![pid], 0);
    while let Some(pid) = known.get(next).copied() {
        if known.len() > most.min(MAX_COUNTED) {
            break;
        }
        known.extend(children(pid));
        next += 1;
    }
    known.len()
}

/// Returns the run to which the process `pid` belongs by the environment; `None` where the environment names no run or
/// cannot be read.
#[must_use]
pub fn run_of(pid: Pid) -> Option<String> {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(RUN_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Ends the children of this process that are `foreign`: kills those that run and reaps those that have ended. Returns
/// the number of such children. Each kill may orphan further processes, so that the function is called until 0 is
/// returned.
pub fn end(foreign: impl Fn(Pid) -> bool) -> usize {
    let found = children(rustix::process::getpid()).into_iter().filter(|pid| foreign(*pid));
    found
        .map(|pid| {
            // The process is a child of ours and was not reaped yet, so that the process id is still valid.
            let _gone = kill_process(pid, Signal::KILL);
            let _alive = waitpid(Some(pid), WaitOptions::NOHANG);
        })
        .count()
}

/// Whether the child `pid` has ended and is no process of whither's own, which are reaped where they are waited for.
#[must_use]
pub fn is_strange_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    name.is_some_and(|(name, rest)| rest.starts_with(" Z") && !OWN_NAMES.contains(&name))
}

/// The kernel's names of whither's own processes, by the path that they were started from.
const OWN_NAMES: [&str; 2] = ["exe", "whither"];

fn parse(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn children_are_found_and_counted_and_say_whose_they_are() {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "sleep 1000 & sleep 1000 & echo; wait"])
            .env(RUN_VARIABLE, "7-1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let pid = Pid::from_raw(i32::try_from(shell.id()).unwrap()).unwrap();
        assert!(children(rustix::process::getpid()).contains(&pid));
        let below = children(pid);
        assert_eq!((below.len(), count(pid, 100), count(pid, 1)), (2, 3, 3));
        assert_eq!(run_of(pid).as_deref(), Some("7-1"));
        for pid in below {
            kill_process(pid, Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
        assert_eq!(run_of(pid), None);
    }
}
