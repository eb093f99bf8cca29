//! Faults as switches: each is turned on and off while two replicas run and are asked, alone or together with others.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::Client;
use async_nats::jetstream;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::json;
use tempfile::TempDir;

use super::nats::Nats;
use super::serve::{Serve, ask, cpu_us};
use super::{eventually, stop};

/// The node that a skewed clock holds back.
pub(crate) const HELD_BACK: &str = "a";
/// Memory that a worker cannot live with, in bytes.
const TOO_LITTLE: u64 = 1 << 20;
/// The size of the disk that can be filled, as `mount` takes it.
const DISK: &str = "size=32m";

/// What can go wrong with the machine, the network, or whoever else is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The reader of the first replica's log is gone.
    ClosedPipe,
    /// The reader of the first replica's log reads no more.
    StuckReader,
    /// The disk with the other replica's log is full. Where this process may mount nothing, no fault.
    FullDisk,
    /// The first replica can open no descriptor.
    NoDescriptors,
    /// A worker of the other replica gets no memory.
    NoMemory,
    /// Another writer's clock is a day ahead: a node is held back until tomorrow by it.
    SkewedClock,
    /// The first replica does not run.
    PausedService,
    /// A worker of the first replica does not run.
    PausedWorker,
    /// The NATS server does not run.
    PausedServer,
    /// A client of the NATS server asks for all messages and reads none.
    SlowReader,
}

/// What the first replica's `/readyz` says while a fault is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// That requests are decided.
    Ready,
    /// That the view of the cluster is not kept.
    Lost,
    /// Nothing: the port does not answer.
    Silent,
}

/// Two replicas, the server between them, and where their logs go.
pub(crate) struct Victims {
    pub(crate) nats: Nats,
    pub(crate) client: Client,
    pub(crate) one: Serve,
    pub(crate) other: Serve,
    pipe: Arc<LogPipe>,
    disk: SmallDisk,
}

/// A fault that is on.
pub(crate) struct On {
    /// The one process that the fault befalls, where there is one.
    pub(crate) befalls: Option<Pid>,
    undo: Pin<Box<dyn Future<Output = ()>>>,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::ClosedPipe,
        Self::StuckReader,
        Self::FullDisk,
        Self::NoDescriptors,
        Self::NoMemory,
        Self::SkewedClock,
        Self::PausedService,
        Self::PausedWorker,
        Self::PausedServer,
        Self::SlowReader,
    ];

    /// What the first replica says of itself while this is on.
    pub(crate) fn readiness(self) -> Readiness {
        match self {
            Self::PausedServer => Readiness::Lost,
            Self::PausedService | Self::NoDescriptors => Readiness::Silent,
            _ => Readiness::Ready,
        }
    }

    /// Turns the fault on.
    pub(crate) async fn on(self, victims: &Victims) -> On {
        match self {
            Self::ClosedPipe => victims.pipe.reader(Reader::Gone),
            Self::StuckReader => victims.pipe.reader(Reader::Stuck),
            Self::FullDisk => victims.disk.fill(),
            Self::NoDescriptors => limit(victims.one.pid(), Resource::Nofile, 3),
            Self::NoMemory => limit(worker(&victims.other).await, Resource::Data, TOO_LITTLE),
            Self::SkewedClock => skew(&victims.client).await,
            Self::PausedService => pause(victims.one.pid()).await,
            Self::PausedWorker => pause(worker(&victims.one).await).await,
            Self::PausedServer => pause(victims.nats.pid()).await,
            Self::SlowReader => read_nothing(&victims.nats),
        }
    }
}

impl On {
    fn undone_by(undo: impl Future<Output = ()> + 'static) -> Self {
        Self { befalls: None, undo: Box::pin(undo) }
    }

    fn befalling(self, process: Pid) -> Self {
        Self { befalls: Some(process), ..self }
    }

    /// Turns the fault off.
    pub(crate) async fn off(self) {
        self.undo.await;
    }
}

impl Victims {
    /// Whether a disk can be filled here.
    pub(crate) fn has_a_disk(&self) -> bool {
        self.disk.is_mounted
    }

    /// Two ready replicas with the config's `chains`, and `scripts` beside it.
    pub(crate) async fn start(chains: &str, scripts: &[(&str, &str)]) -> Self {
        let nats = Nats::start();
        let (pipe, disk) = (LogPipe::open(), SmallDisk::mount());
        let mut one = Serve::logging_to(&nats, chains, scripts, pipe.writer());
        let mut other = Serve::logging_to(&nats, chains, scripts, disk.log());
        one.ready().await;
        other.ready().await;
        let client = nats.client().await;
        Self { nats, client, one, other, pipe: Arc::new(pipe), disk }
    }
}

/// The worker of `serve` that decides: the spare has little to do.
async fn worker(serve: &Serve) -> Pid {
    eventually("a worker", async || serve.children().into_iter().max_by_key(|worker| cpu_us(*worker))).await
}

/// Bounds a resource of `process`; a process that is gone when that is undone needs no more of it.
fn limit(process: Pid, resource: Resource, most: u64) -> On {
    let maximum = getrlimit(resource).maximum;
    let before = prlimit(Some(process), resource, Rlimit { current: Some(most), maximum }).unwrap();
    On::undone_by(async move {
        let _gone = prlimit(Some(process), resource, before);
    })
    .befalling(process)
}

/// Stops `process` from running, and comes back when it runs no more.
async fn pause(process: Pid) -> On {
    stop(process).await;
    On::undone_by(async move {
        let _gone = kill_process(process, Signal::CONT);
    })
    .befalling(process)
}

/// Writes a mark as a replica does whose clock is a day ahead; an administrator undoes it.
async fn skew(client: &Client) -> On {
    let ahead = SystemTime::now() + Duration::from_secs(86_400);
    let at_ms = i64::try_from(ahead.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let mark =
        json!({"cooling_down": {"until_ms": at_ms + 60_000, "failures": 1, "by": "x", "at_ms": at_ms, "reason": "x"}});
    let js = jetstream::new(client.clone());
    let marks = eventually("the bucket of marks", async || js.get_key_value("whither_marks").await.ok()).await;
    marks.put(HELD_BACK, mark.to_string().into()).await.unwrap();
    let client = client.clone();
    On::undone_by(async move {
        ask(&client, "whither.uncordon", &json!({"node": HELD_BACK})).await;
    })
}

fn read_nothing(nats: &Nats) -> On {
    let mut client = TcpStream::connect(nats.url().trim_start_matches("nats://")).unwrap();
    client.write_all(b"CONNECT {\"verbose\":false}\r\nSUB > 1\r\n").unwrap();
    On::undone_by(async move { drop(client) })
}

/// What the reader of a log does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Reads,
    Stuck,
    Gone,
    /// For good.
    Ended,
}

/// A named pipe that a log goes into, whose reader comes and goes.
struct LogPipe {
    folder: TempDir,
    reader: Arc<Mutex<Reader>>,
}

impl LogPipe {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("log");
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let reader = Arc::new(Mutex::new(Reader::Reads));
        let (told, first) = (Arc::clone(&reader), open_reader(&path));
        thread::spawn(move || read_on(&path, first, &told));
        Self { folder, reader }
    }

    fn writer(&self) -> File {
        File::options().write(true).open(self.folder.path().join("log")).unwrap()
    }

    fn reader(self: &Arc<Self>, does: Reader) -> On {
        *self.reader.lock().unwrap() = does;
        let pipe = Arc::clone(self);
        On::undone_by(async move { *pipe.reader.lock().unwrap() = Reader::Reads })
    }
}

impl Drop for LogPipe {
    fn drop(&mut self) {
        *self.reader.lock().unwrap() = Reader::Ended;
    }
}

fn open_reader(path: &PathBuf) -> File {
    let without_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    File::options().read(true).custom_flags(without_waiting).open(path).unwrap()
}

/// Does what `told` says, a hundred times a second.
fn read_on(path: &PathBuf, first: File, told: &Mutex<Reader>) {
    let (mut pipe, mut part) = (Some(first), [0; 1 << 16]);
    loop {
        let does = *told.lock().unwrap();
        match does {
            Reader::Reads => {
                let open = pipe.get_or_insert_with(|| open_reader(path));
                match open.read(&mut part) {
                    Ok(1..) => continue,
                    // Nobody writes at the moment.
                    Ok(0) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            Reader::Stuck => {}
            Reader::Gone => drop(pipe.take()),
            Reader::Ended => return,
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// A disk of its own for a log, as far as this process may mount one.
struct SmallDisk {
    folder: TempDir,
    is_mounted: bool,
}

impl SmallDisk {
    fn mount() -> Self {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", DISK, "none"]).arg(folder.path()).output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        if !is_mounted {
            eprintln!("no disk can be mounted here: a full one is not tried");
        }
        Self { folder, is_mounted }
    }

    fn log(&self) -> File {
        File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap()
    }

    fn fill(&self) -> On {
        let filler = self.folder.path().join("filler");
        if self.is_mounted {
            let mut file = File::create(&filler).unwrap();
            while file.write_all(&[0; 1 << 12]).is_ok() {}
        }
        On::undone_by(async move {
            let _none = std::fs::remove_file(filler);
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            let _mounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        }
    }
}
