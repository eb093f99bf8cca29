//! The processes of a start: those with the start's reservation in their environment, wherever they hang in the tree.
//!
//! A process group ends where a process leaves the group, as every daemon does; the environment stays with each child.
//! So what a failed start leaves behind is found, and so is the session of a start that an earlier agent made. Only
//! processes that this agent may read are found: all of them where the agent is root, else those of the agent's user.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::super::reservations;

/// How often the processes are looked for: one may start another between the look and the kill.
const ROUNDS: usize = 5;
const BETWEEN: Duration = Duration::from_millis(20);

/// Whether any process has `reservation` in its environment.
pub(super) async fn is_any(reservation: &str) -> bool {
    !of(reservation).await.is_empty()
}

/// Kills every process that has `reservation` in its environment. Returns the number that was left in the end, which
/// could not be killed.
pub(super) async fn kill(reservation: &str) -> usize {
    let mut left = of(reservation).await;
    for _ in 0..ROUNDS {
        if left.is_empty() {
            break;
        }
        for pid in left {
            // A process that has ended by itself is no failure.
            let _gone = kill_process(pid, Signal::KILL);
        }
        sleep(BETWEEN).await;
        left = of(reservation).await;
    }
    left.len()
}

async fn of(reservation: &str) -> Vec<Pid> {
    let reservation = reservation.to_owned();
    spawn_blocking(move || reservations::processes_of(&reservation)).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    use super::super::super::reservations::VARIABLE;

    #[tokio::test]
    async fn a_process_that_left_its_group_is_found_and_killed() {
        let id = format!("leftovers-{}", std::process::id());
        assert!(!is_any(&id).await);
        let mut shell = Command::new("setsid").args(["--fork", "sleep", "1000"]).env(VARIABLE, &id).spawn().unwrap();
        shell.wait().unwrap();
        while !is_any(&id).await {
            sleep(BETWEEN).await;
        }
        assert_eq!(kill(&id).await, 0);
        assert!(!is_any(&id).await);
    }
}
