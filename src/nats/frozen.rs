//! A test of how long the server keeps a frozen client, by a client that freezes on purpose.
//!
//! A frozen replica stays in the queue group, and is sent a share of the requests, until the server's pings time out:
//! after `ping_interval` times `ping_max` and one more, which is minutes by default. The server shows these settings to
//! nobody but its operator. So a connection beside the service's own, with the same settings in every other way, is not
//! served for a while, and the outcome is observed. Rejected: counting the server's pings on a socket of our own, which
//! would need every kind of login and encryption once more.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Event;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::connect::{ConnectError, Connection, HANDSHAKE};

/// The time after which a client that is frozen and still connected is kept for too long.
pub const FROZEN: Duration = Duration::from_secs(6);
/// The time for which a server with the pings of the shipped configs surely keeps a frozen client and the messages to
/// that client; later the server may have dropped the client, and the messages are lost.
pub const SURELY_KEPT: Duration = Duration::from_secs(2);
/// The time in which the client library notices that the server dropped the connection.
const WAKING: Duration = Duration::from_secs(1);
/// Turns off the library's own pings, which would show that the client is alive.
const NO_PINGS: Duration = Duration::from_secs(3600);

/// Whether a server that these `settings` lead to keeps a client that is frozen for [`FROZEN`]; `None` where the test
/// could not be made.
pub async fn is_kept(settings: Connection) -> Option<bool> {
    let (sender, receiver) = oneshot::channel();
    // A thread of its own, which sleeps: the stop of a runtime would wait for a thread that the runtime lent.
    let thread = std::thread::Builder::new().name("frozen".to_owned()).spawn(move || {
        // A caller that no longer waits needs no answer.
        let _unheard = sender.send(freeze(&settings));
    });
    thread.ok()?;
    receiver.await.ok().flatten()
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
