//! `whither serve`: wires the front to NATS, to its workers, to signals and to the small HTTP port.

mod reload;
mod running;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::ConfigNeeds;
use crate::front::Setup;
use crate::nats::Bus;
use crate::nats::service::MicroService;
use crate::plain::Plain;
use crate::pulse;
use crate::server::http;
use crate::worker::{BirthError, Worker, WorkerInit};

use super::bus::BusArgs;
use super::daemon::LogFormat;
use super::exit::{self, CommandExit};
use super::fastx::load::Loaded;
use super::files::Disk;
use super::{bus, daemon, fastx, one_shot, output, programs, zone};
use reload::Reloads;
use running::ServiceParts;

/// Serve placements over NATS.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Signals: SIGHUP reads the config again (a broken one changes nothing), as `whither reload` has every \
replica do · SIGTERM answers what was received, then ends"
)]
pub struct ServeArgs {
    /// The config [default: whither.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address of the HTTP port for /healthz, /readyz and /metrics; over the config's
    #[arg(long, value_name = "ADDRESS")]
    http: Option<std::net::SocketAddr>,
    /// Read the config, compile its scripts, say what is wrong, and end: needs no NATS, and touches no running service
    #[arg(long)]
    check: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "WHITHER_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(flatten)]
    bus: BusArgs,
}

/// Runs the service until it is told to stop.
///
/// # Errors
/// A config or a script that cannot be used, before any port opens; or a port that cannot be opened.
pub fn run(args: &ServeArgs) -> Result<(), CommandExit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build();
    runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?.block_on(async {
        // Heard from the first moment on: a reload that comes right after the start must not end the service.
        let signals = Signals::listen().map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let loaded = load(args)?;
        if args.check {
            return check(args, &loaded).await;
        }
        daemon::begin(args.log_format)?;
        loaded.log_problems();
        serve(args, loaded, signals).await
    })
}

/// Does all that a start does before it opens a port, and says so.
async fn check(args: &ServeArgs, loaded: &Loaded) -> Result<(), CommandExit> {
    args.bus.resolve(Some(&loaded.config.nats), "whither serve")?;
    let remarks = rehearse(&setup(loaded).birth).await?;
    remarks.iter().for_each(|remark| output::aside(format_args!("warning: {}", Plain(remark))));
    let chains = &loaded.config.chains.chains;
    let actions = chains.iter().map(|chain| chain.action.to_string()).collect::<Vec<_>>().join(", ");
    let path = args.config.as_deref().unwrap_or(Path::new(fastx::load::DEFAULT_CONFIG));
    let what = if chains.len() == 1 { "chain" } else { "chains" };
    let verdict = match remarks.len() {
        0 => "good".to_owned(),
        1 => "usable, with 1 warning".to_owned(),
        warnings => format!("usable, with {warnings} warnings"),
    };
    let source = loaded.origin().map_or_else(|| path.display().to_string(), |origin| Plain(origin).to_string());
    output::answer(format_args!("{source}: {verdict}, {} {what}: {}", chains.len(), Plain(actions)))
}

fn load(args: &ServeArgs) -> Result<Loaded, CommandExit> {
    let needs = if args.bus.is_given() { ConfigNeeds::Chains } else { ConfigNeeds::Both };
    fastx::load::load(args.config.as_deref(), needs, &fastx::FastxHost::real(), &zone::of_host(&Disk))
}

/// Threads of the front. Its work is one task and the connection beside it: on few processors, which the workers and
/// perhaps the NATS server want too, the wake-ups between threads cost more than they bring.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get() / 2).clamp(1, 4)
}

async fn serve(args: &ServeArgs, loaded: Loaded, mut signals: Signals) -> Result<(), CommandExit> {
    let other = |error: &dyn std::fmt::Display| CommandExit::new(exit::OTHER, error);
    let (mut connection, namespace) = args.bus.resolve(Some(&loaded.config.nats), "whither serve")?;
    let path = args.config.as_deref().unwrap_or(Path::new(fastx::load::DEFAULT_CONFIG));
    bus::reread(&mut connection, &args.bus, path);
    let setup = setup(&loaded);
    let config = loaded.config;
    rehearse(&setup.birth).await?;
    let listener = match args.http.or(config.http) {
        Some(address) => Some(http::bind(address).await.map_err(|error| other(&unlistened(address, &error)))?),
        None => None,
    };
    if let Some(address) = listener.as_ref().and_then(|listener| listener.local_addr().ok()) {
        tracing::info!(%address, "http: /healthz, /readyz, /metrics");
    }
    let bus = Bus::open(&connection).await.map_err(bus::refused)?;
    // Requests may come faster than they are read, and the server then drops the connection; the view must not go with it.
    let view = Bus::open_for("view", &connection).await.map_err(bus::refused)?;
    let (mut running, ears, mut reloads_asked) =
        ServiceParts { config: &config, namespace, setup, bus, view }.start(listener)?;
    tokio::spawn(running::try_pings(running.bus.clone(), connection.clone(), running.events.clone()));
    let (mut ears, mut service) = (Some(ears), None);
    let connected = running.bus.clone();
    let mut reloads = Reloads::new(args, &connection, running.events.clone(), running.replies());
    loop {
        tokio::select! {
            biased;
            // Without NATS there is nobody to answer yet; the signals must work all the same.
            stop = signals.stop_or_reload() => match stop {
                true => break,
                false => reloads.ask(),
            },
            Some(asked) = reloads_asked.recv() => reloads.ask_for(asked),
            failed = running.failed() => return Err(failed),
            digest = reloads.done() => {
                if let (Some(service), Some(digest)) = (&service, digest) {
                    MicroService::micro(service).describe("chains", json!(*digest));
                }
            }
            () = connected.connected(), if ears.is_some() => {
                if let Some(ears) = ears.take() {
                    service = Some(running.listen(ears).await?);
                    pulse::notify_ready();
                }
            }
        }
    }
    pulse::notify_stopping();
    // The last reply is sent when nobody is left who could send one.
    drop(reloads);
    running.end(service).await;
    Ok(())
}

/// What the config makes of a service.
fn setup(loaded: &Loaded) -> Setup {
    let config = &loaded.config;
    super::setup::of(config, programs::environment(&config.service.environment, loaded.variables()))
}

/// Starts a worker once before any port opens: what does not compile ends the service here. Returns what is probably a
/// mistake in a script, a sentence each.
async fn rehearse(birth: &WorkerInit) -> Result<Vec<String>, CommandExit> {
    let (words, _ignored) = mpsc::channel(1);
    match Worker::start(&one_shot::program(), birth, 0, words).await {
        Ok(worker) => {
            let remarks = worker.remarks().to_vec();
            worker.kill();
            Ok(remarks)
        }
        Err(error @ (BirthError::Refused(_) | BirthError::Died(Some(_), _))) => {
            Err(CommandExit::new(exit::SCRIPT, error))
        }
        Err(error) => Err(CommandExit::new(exit::OTHER, error)),
    }
}

/// Returns the message for an HTTP address that cannot be listened on.
fn unlistened(address: std::net::SocketAddr, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("the HTTP address {address} is taken by another process; see --http, or [http] in the config")
        }
        _ => format!("the HTTP address {address} cannot be listened on: {error}"),
    }
}

/// The signals that mean something to the service.
struct Signals {
    /// Caught, and no more: a log that may not grow any further is an error of the write then, and not the end.
    _file_size: Signal,
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            _file_size: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// True for a stop, false for a reload.
    async fn stop_or_reload(&mut self) -> bool {
        tokio::select! {
            _ = self.term.recv() => true,
            _ = self.interrupt.recv() => true,
            _ = self.hangup.recv() => false,
        }
    }
}
