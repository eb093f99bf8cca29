//! The options for the bus: options over the config over the default address.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{self, Config, ConfigNeeds, InboxPrefix, Loading, Login, Namespace, Nats};
use crate::host::{Disk, zone};
use crate::nats::{Address, Bus, ConnectError, Connection, Reread, login_kind};

use super::exit::{self, CommandExit};
use super::problem;

/// The address of NATS where neither options nor the config name an address.
const DEFAULT_URL: &str = "nats://127.0.0.1:4222";

/// The options for reaching a running service.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Bus")]
pub struct BusArgs {
    /// A NATS server; repeatable, for a cluster
    #[arg(long = "nats", value_name = "URL", env = "WHITHER_NATS")]
    urls: Vec<String>,
    /// The namespace of the service
    #[arg(long, value_name = "NAME", env = "WHITHER_NAMESPACE")]
    namespace: Option<String>,
    /// A NATS credentials file
    #[arg(long, value_name = "FILE", env = "WHITHER_CREDENTIALS")]
    credentials: Option<PathBuf>,
    /// The prefix of inboxes, where the login may read no others [default: _INBOX]
    #[arg(long, value_name = "PREFIX", env = "WHITHER_INBOX_PREFIX", value_parser = InboxPrefix::parse)]
    inbox_prefix: Option<InboxPrefix>,
    /// The authorities whose certificates a NATS server may show, as PEM, instead of the system's
    #[arg(long, value_name = "FILE", env = "WHITHER_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// A NATS token; better in the environment, where other users do not see it
    #[arg(long, value_name = "TOKEN", env = "WHITHER_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl BusArgs {
    /// Returns the options for the server at `url` alone, regardless of the environment.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self { urls: vec![url.to_owned()], ..Self::default() }
    }

    /// Whether an address was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.urls.is_empty()
    }

    /// Returns the connection and the namespace: from these options, else from the config, else for this machine.
    ///
    /// # Errors
    /// An invalid address or namespace.
    pub fn resolve(&self, config: Option<&Nats>, name: &str) -> Result<(Connection, Namespace), CommandExit> {
        let mut connection = config.map(connection).transpose()?.unwrap_or_default();
        let parse = |url: &String| url.parse::<Address>().map_err(CommandExit::usage);
        if !self.urls.is_empty() {
            connection.servers = self.urls.iter().map(parse).collect::<Result<_, _>>()?;
        }
        if connection.servers.is_empty() {
            connection.servers = vec![parse(&DEFAULT_URL.to_owned())?];
        }
        connection.logins = self.logins(connection.logins);
        if self.tls_ca.is_some() {
            connection.tls.ca.clone_from(&self.tls_ca);
        }
        if self.inbox_prefix.is_some() {
            connection.inbox_prefix.clone_from(&self.inbox_prefix);
        }
        name.clone_into(&mut connection.name);
        let namespace = match (&self.namespace, config) {
            (Some(namespace), _) => namespace.parse().map_err(CommandExit::usage)?,
            (None, Some(config)) => config.namespace.clone(),
            (None, None) => Namespace::default(),
        };
        Ok((connection, namespace))
    }

    /// Returns the logins: the logins of the options, and those `of_config` of other kinds. More than a single login is
    /// an error of the connect.
    fn logins(&self, of_config: Vec<Login>) -> Vec<Login> {
        let token = self.token.as_deref().map(|token| Login::Token(token.into()));
        let given: Vec<_> = self.credentials.clone().map(Login::Credentials).into_iter().chain(token).collect();
        let is_another = |login: &Login| given.iter().all(|way| login_kind(way) != login_kind(login));
        let others: Vec<_> = of_config.into_iter().filter(is_another).collect();
        given.into_iter().chain(others).collect()
    }

    /// Opens a connection for a command that asks once; `config` is the file to read the address from.
    ///
    /// # Errors
    /// A config that cannot be used, or settings that can never work.
    pub async fn open(&self, config: Option<&Path>) -> Result<(Bus, Namespace), CommandExit> {
        let loaded = config.map(load).transpose()?;
        let nats = loaded.as_ref().map(|config| &config.nats);
        let (mut connection, namespace) = self.resolve(nats, "whither command")?;
        if let Some(path) = config {
            reread(&mut connection, self, path);
        }
        let bus = Bus::open(&connection).await.map_err(refused)?;
        Ok((bus, namespace))
    }
}

/// Returns the exit of a command whose settings can never connect.
pub(super) fn refused(error: ConnectError) -> CommandExit {
    match error {
        ConnectError::Exposed { .. } | ConnectError::File { .. } | ConnectError::Address { .. } => {
            CommandExit::usage(error)
        }
        _ => CommandExit::new(exit::OTHER, error),
    }
}

/// Makes `connection` read the login anew at each connect, from the config at `path`; values in `options` stay as they
/// are.
pub(super) fn reread(connection: &mut Connection, options: &BusArgs, path: &Path) {
    let (options, path, name) = (options.clone(), path.to_owned(), connection.name.clone());
    connection.reread = Reread::new(move || {
        // Quietly: a broken config is reported where the user loads the config, and not at each connect.
        let host_zone = zone::of_host(&Disk);
        let loading = Loading { files: &Disk, host_zone: &host_zone, needs: ConfigNeeds::Nats };
        let config = config::load(&path, loading).ok()?;
        options.resolve(Some(&config.nats), &name).ok().map(|(connection, _)| connection)
    });
}

/// Loads the config at `path` for the `[nats]` section.
pub(super) fn load(path: &Path) -> Result<Config, CommandExit> {
    let host_zone = zone::of_host(&Disk);
    let loading = Loading { files: &Disk, host_zone: &host_zone, needs: ConfigNeeds::Nats };
    config::load(path, loading).map_err(|errors| problem::exit(&errors))
}

/// Returns the connection that the config describes.
fn connection(nats: &Nats) -> Result<Connection, CommandExit> {
    let servers =
        nats.urls.iter().map(|url| url.reveal().parse().map_err(CommandExit::usage)).collect::<Result<_, _>>()?;
    let inbox_prefix = nats.inbox_prefix.clone();
    let Nats { login, tls, .. } = nats.clone();
    Ok(Connection { servers, inbox_prefix, logins: vec![login], tls, ..Connection::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_is_given_takes_the_place_of_one_of_its_kind_and_no_other() {
        let given = BusArgs { token: Some("given".to_owned()), ..BusArgs::of("nats://host") };
        let logins = |login: Login| {
            let config = Nats { login, ..Nats::default() };
            given.resolve(Some(&config), "test").map(|(connection, _)| connection.logins).unwrap()
        };
        assert_eq!(logins(Login::Token("configured".into())), [Login::Token("given".into())]);
        let nkey = Login::Nkey("seed".into());
        assert_eq!(logins(nkey.clone()), [Login::Token("given".into()), nkey], "too many: that is said at the connect");
    }
}
