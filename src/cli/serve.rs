//! `whither serve`: reads the config with the options of the command line, and runs the service of that config.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::config::ConfigNeeds;
use crate::host::{Disk, zone};
use crate::plain::Plain;
use crate::server::{ConfigSource, ServiceConfig, ServiceError, Signals, service, settings};

use super::bus::BusArgs;
use super::daemon::LogFormat;
use super::exit::{self, CommandExit};
use super::fastx::load::Loaded;
use super::{bus, daemon, fastx, output};

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
    /// The address of the HTTP port for /healthz, /readyz, /metrics and /api/status; over the config's
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

/// Runs the service until a signal ends the service.
///
/// # Errors
/// A config or a script that cannot be used, before any port opens; or a port that cannot be opened.
pub fn run(args: &ServeArgs) -> Result<(), CommandExit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build();
    runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?.block_on(async {
        // Caught from the first moment on: a reload that comes right after the start must not end the service.
        let signals = Signals::listen().map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let loaded = args.load()?;
        if args.check {
            return check(args, loaded).await;
        }
        daemon::begin(args.log_format)?;
        loaded.log_problems();
        let config = args.service_config(loaded)?;
        service::run(config, Arc::new(args.clone()), args.http, signals).await.map_err(exit_of)
    })
}

/// Does all that a start does before the service opens a port, and prints the result.
async fn check(args: &ServeArgs, loaded: Loaded) -> Result<(), CommandExit> {
    let source = loaded.origin().map_or_else(|| args.path().display().to_string(), |origin| Plain(origin).to_string());
    let config = args.service_config(loaded)?;
    let remarks = service::rehearse(&config.setup().birth).await.map_err(exit_of)?;
    remarks.iter().for_each(|remark| output::aside(format_args!("warning: {}", Plain(remark))));
    let chains = &config.config.chains.chains;
    let actions = chains.iter().map(|chain| chain.action.to_string()).collect::<Vec<_>>().join(", ");
    let what = if chains.len() == 1 { "chain" } else { "chains" };
    let verdict = match remarks.len() {
        0 => "good".to_owned(),
        1 => "usable, with 1 warning".to_owned(),
        warnings => format!("usable, with {warnings} warnings"),
    };
    output::answer(format_args!("{source}: {verdict}, {} {what}: {}", chains.len(), Plain(actions)))
}

impl ServeArgs {
    /// Returns the path of the config.
    fn path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(fastx::load::DEFAULT_CONFIG))
    }

    /// Reads the config, with FastX's environment where the config has no chain.
    fn load(&self) -> Result<Loaded, CommandExit> {
        let needs = if self.bus.is_given() { ConfigNeeds::Chains } else { ConfigNeeds::Both };
        fastx::load::load(self.config.as_deref(), needs, &fastx::FastxHost::real(), &zone::of_host(&Disk))
    }

    /// Returns `loaded` with the options of the command line.
    fn service_config(&self, loaded: Loaded) -> Result<ServiceConfig, CommandExit> {
        let environment = settings::program_environment(&loaded.config.service.environment, loaded.variables());
        let (mut connection, namespace) = self.bus.resolve(Some(&loaded.config.nats), "whither serve")?;
        bus::reread(&mut connection, &self.bus, self.path());
        Ok(ServiceConfig { config: loaded.config, environment, connection, namespace })
    }
}

impl ConfigSource for ServeArgs {
    fn read(&self) -> Result<ServiceConfig, String> {
        let read = || {
            let loaded = self.load()?;
            loaded.log_problems();
            self.service_config(loaded)
        };
        read().map_err(|exit: CommandExit| exit.words().to_owned())
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }
}

/// Returns the exit of a command whose service ended with `error`.
fn exit_of(error: ServiceError) -> CommandExit {
    match error {
        ServiceError::Connect(error) => bus::refused(error),
        error if error.is_of_script() => CommandExit::new(exit::SCRIPT, error),
        error => CommandExit::new(exit::OTHER, error),
    }
}

/// Returns the number of threads of the front. The front's work is one task and the connection beside that task: on few
/// processors, which the workers and perhaps the NATS server want too, wake-ups between threads cost more than they
/// bring.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get() / 2).clamp(1, 4)
}
