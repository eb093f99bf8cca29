//! How long the server keeps a client that is frozen, found out by being one.
//!
//! A frozen replica stays in the queue group, and is handed its share of the requests, until the server's pings time out:
//! after `ping_interval` times `ping_max` and one more, which is minutes by default. The server tells these settings to
//! nobody but its operator. So a connection beside the service's own, with the same settings in every other way, is not
//! looked after for a while, and what became of it is seen. Rejected: counting the server's pings on a socket of our own,
//! which would need every kind of login and encryption once more.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Event;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::connect::{ConnectError, Connection, HANDSHAKE};

/// A client that is frozen for so long and still connected is kept for too long.
pub const FROZEN: Duration = Duration::from_secs(6);
/// For so long at least a server with the pings of the shipped configs keeps a frozen client, and what that client is told
/// meanwhile; later it may have dropped the client, and what was told is lost.
pub const SURELY_KEPT: Duration = Duration::from_secs(2);
/// How long the client library may take to see that it was dropped.
const WAKING: Duration = Duration::from_secs(1);
/// The library's own pings would say that it is alive.
const NO_PINGS: Duration = Duration::from_secs(3600);

/// Whether a server that these `settings` lead to keeps a client that is frozen for [`FROZEN`]; nothing where that could
/// not be tried.
pub async fn is_kept(settings: Connection) -> Option<bool> {
    let (tell, told) = oneshot::channel();
    // A thread of its own, which sleeps: where the runtime of the service lent it, the stop of that would wait for it.
    let thread = std::thread::Builder::new().name("frozen".to_owned()).spawn(move || {
        // Whoever no longer waits for the answer needs none.
        let _unheard = tell.send(freeze(&settings));
    });
    thread.ok()?;
    told.await.ok().flatten()
}

fn freeze(settings: &Connection) -> Option<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let dropped = Arc::new(Notify::new());
    let connecting = async {
        let options = frozen_options(settings, Arc::clone(&dropped)).ok()?;
        timeout(HANDSHAKE, options.connect(settings.addresses().ok()?)).await.ok()?.ok()
    };
    let client = runtime.block_on(connecting)?;
    // Nothing runs on this runtime meanwhile: to the server this client is frozen.
    std::thread::sleep(FROZEN);
    let kept = runtime.block_on(async { timeout(WAKING, dropped.notified()).await.is_err() });
    drop(client);
    runtime.shutdown_background();
    Some(kept)
}

fn frozen_options(settings: &Connection, dropped: Arc<Notify>) -> Result<async_nats::ConnectOptions, ConnectError> {
    let name = format!("{}: does not answer on purpose, to see how soon it is dropped", settings.name);
    let options = settings.options()?.name(name).connection_timeout(HANDSHAKE).ping_interval(NO_PINGS);
    Ok(options.event_callback(move |event| {
        if event == Event::Disconnected {
            dropped.notify_one();
        }
        std::future::ready(())
    }))
}
