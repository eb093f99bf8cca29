//! The seal: a sealed worker can compute, take memory and use open descriptors, and nothing else.
//!
//! A list of allowed calls, because a list of forbidden calls is out of date with each kernel. A call that is not on
//! the list fails with EPERM and does not kill: the libraries below an engine try calls that they can do without (names
//! of memory areas, places of processors), and a refusal that kills would make those a script's fault. Rejected:
//! Landlock, which knows files and ports only; extrasafe, whose basic profile allows executable memory.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use rustix::process::Resource;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

/// The calls that are harmless with any arguments.
const ALLOWED: &[c_long] = &[
    // Open descriptors: the front's socket, and standard error. Nothing here takes an address or passes a descriptor.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    // Mapped memory; new memory and its protection have conditions.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Waiting for the other thread, the clocks, and random bytes.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    libc::SYS_getrandom,
    // Signals of the process to itself, as `abort` sends them, and the exit.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Seals all threads of the process, for ever. The threads must have been started by now, and `no_new_privs` must be
/// set.
///
/// # Errors
/// Where the kernel has no such filters, or where this architecture is not known.
pub fn close() -> io::Result<()> {
    let program = filter().map_err(io::Error::other)?;
    apply_filter_all_threads(&program).map_err(io::Error::other)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let allowed = ALLOWED.iter().map(|call| (*call, Vec::new()));
    let rules: BTreeMap<_, _> = allowed.chain(conditional()?).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)?.try_into()
}

/// The calls whose arguments are checked; any one rule of a call suffices.
fn conditional() -> Result<Vec<(c_long, Vec<SeccompRule>)>, BackendError> {
    let own_pid = u64::from(std::process::id());
    Ok(vec![
        // Memory, but never executable memory, and not of a file.
        (libc::SYS_mmap, vec![rule([not_executable(2)?, has(3, libc::MAP_ANONYMOUS as u64)?])?]),
        (libc::SYS_mprotect, vec![rule([not_executable(2)?])?]),
        // Over a connected socket, without an address.
        (libc::SYS_sendto, vec![rule([is(4, 0)?])?]),
        (libc::SYS_recvfrom, vec![rule([is(4, 0)?])?]),
        // The bound of the worker's own memory moves as the mirror grows; any other limit may be read.
        (libc::SYS_prlimit64, vec![rule([is(0, 0)?, is(1, Resource::Data as u64)?])?, rule([is(0, 0)?, is(2, 0)?])?]),
        (libc::SYS_tgkill, vec![rule([is(0, own_pid)?])?]),
        // The calls of the report on operations that were not refused.
        (
            libc::SYS_prctl,
            vec![rule([is(0, libc::PR_GET_DUMPABLE as u64)?])?, rule([is(0, libc::PR_GET_NO_NEW_PRIVS as u64)?])?],
        ),
    ])
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

fn has(argument: u8, bits: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(bits), bits)
}

fn not_executable(argument: u8) -> Result<SeccompCondition, BackendError> {
    let executable = libc::PROT_EXEC as u64;
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(executable), 0)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;

    use super::super::{attempts, sandbox};

    /// Set in the child's environment, so that the test below runs the child's part.
    const CHILD: &str = "WHITHER_TEST_SEAL";

    /// Runs in a child process, because the seal is for ever. The child ends by a panic whose hook exits, as a worker
    /// does.
    #[test]
    fn a_sealed_process_can_compute_and_nothing_else() {
        if std::env::var_os(CHILD).is_some() {
            seal_and_work();
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "worker::seal::tests::a_sealed_process_can_compute_and_nothing_else", "--nocapture"]);
        let told = child.env(CHILD, "1").output().unwrap();
        let words = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(70), "{words}");
        assert!(words.contains("sealed"), "{words}");
    }

    fn seal_and_work() -> ! {
        sandbox::gain_no_privileges().unwrap();
        let (deep, deeper) = mpsc::channel();
        let work = move || {
            deeper.recv().unwrap();
            descend(20_000)
        };
        let thread = thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap();
        assert!(!attempts::not_refused().is_empty(), "an attempt that never works proves nothing");
        sandbox::leave_no_core().unwrap();
        sandbox::open_nothing().unwrap();
        super::close().unwrap();
        assert_eq!(attempts::not_refused(), [""; 0]);
        // Memory can grow and shrink, in small and large pieces, and the bound of memory can be moved.
        sandbox::bound_memory(1 << 30).unwrap();
        let memory: Vec<_> = (0..64).map(|_| vec![1_u8; 4 << 20]).collect();
        assert_eq!(memory.iter().map(Vec::len).sum::<usize>(), 256 << 20);
        drop(memory);
        deep.send(()).unwrap();
        assert_eq!(thread.join().unwrap(), 20_000, "a thread that was there may use its whole stack");
        assert!(std::panic::catch_unwind(|| panic!("a panic that is caught")).is_err());
        std::panic::set_hook(Box::new(|_| {
            drop(writeln!(io::stderr(), "sealed"));
            std::process::exit(70);
        }));
        panic!("a panic that ends the process")
    }

    /// Recurses `levels` deep, with one to two kilobytes of stack a level.
    fn descend(levels: u32) -> u32 {
        let ballast = std::hint::black_box([levels; 256]);
        if levels == 0 { 0 } else { descend(ballast[0] - 1) + 1 }
    }
}
