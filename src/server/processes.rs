//! The handles of workers and runners that the server passes to the service.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::front::ProcessLink;
use crate::ipc::Orders;
use crate::runner::{RunnerProcess, process};
use crate::worker::Worker;

/// How long a runner may take to end all programs and exit.
const EXIT_LIMIT: Duration = Duration::from_secs(3);

/// The handle of a worker.
#[derive(Debug)]
pub(super) struct WorkerLink(pub(super) Worker);

impl ProcessLink for WorkerLink {
    fn send(&mut self, orders: &mut Orders) {
        self.0.peer_mut().send_some(orders);
    }

    fn kill(&self) {
        self.0.kill();
    }

    fn pid(&self) -> u32 {
        self.0.peer().pid()
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.0.peer().memory_bytes()
    }

    fn retire(self: Box<Self>) {
        tokio::spawn(self.0.retire());
    }

    fn kill_and_reap(self: Box<Self>) {
        // A worker starts no process.
    }
}

/// The handle of a runner; the server waits for the runners in `goodbyes` before ending.
#[derive(Debug)]
pub(super) struct RunnerLink {
    pub(super) runner: RunnerProcess,
    pub(super) goodbyes: TaskTracker,
}

impl ProcessLink for RunnerLink {
    fn send(&mut self, orders: &mut Orders) {
        self.runner.peer_mut().send_some(orders);
    }

    fn kill(&self) {
        self.runner.peer().kill();
    }

    fn pid(&self) -> u32 {
        self.runner.pid()
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.runner.peer().memory_bytes()
    }

    fn retire(self: Box<Self>) {
        let Self { runner, goodbyes } = *self;
        let (pid, guard) = (runner.pid(), runner.peer().guard());
        goodbyes.spawn(async move {
            if tokio::time::timeout(EXIT_LIMIT, runner.retire()).await.is_err() {
                guard.kill();
                process::kill_and_reap(pid).await;
            }
        });
    }

    fn kill_and_reap(self: Box<Self>) {
        tokio::spawn(process::kill_and_reap(self.runner.pid()));
    }
}
