//! The jobs that promises enqueue, run when a script returned a promise, and dropped with the call.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use boa_engine::job::{Job, JobExecutor};
use boa_engine::{Context, JsResult};

/// A queue of jobs.
#[derive(Default)]
pub(super) struct Jobs(RefCell<VecDeque<Job>>);

impl Jobs {
    /// Drops the remaining jobs.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl JobExecutor for Jobs {
    fn enqueue_job(self: Rc<Self>, job: Job, _context: &mut Context) {
        match job {
            Job::PromiseJob(_) | Job::GenericJob(_) | Job::AsyncJob(_) => self.0.borrow_mut().push_back(job),
            // Nothing waits for time or for the garbage collector here.
            _ => {}
        }
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        loop {
            let Some(job) = self.0.borrow_mut().pop_front() else { return Ok(()) };
            match job {
                Job::PromiseJob(job) => {
                    job.call(context)?;
                }
                Job::GenericJob(job) => {
                    job.call(context)?;
                }
                // The only such job is `import()`, which the host refuses at once: a single poll completes the job.
                Job::AsyncJob(job) => {
                    let context = RefCell::new(&mut *context);
                    let future = pin!(job.call(&context));
                    if let Poll::Ready(result) = future.poll(&mut std::task::Context::from_waker(Waker::noop())) {
                        result?;
                    }
                }
                _ => {}
            }
        }
    }
}
