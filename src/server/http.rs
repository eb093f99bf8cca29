//! The small HTTP port: `/healthz`, `/readyz`, `/metrics`, `/api/status`. For this machine only; the port takes no placement requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::front::health::Health;
use crate::front::metrics::Metrics;
use crate::front::status::ReplicaStatus;
use crate::log;
use crate::nats::logs;
use crate::nats::{Link, LinkState};
use crate::pulse::Pulse;
use crate::registry::Registry;

use super::connections::{self, ConnectionLimits};

/// The formats in which the metrics may be requested.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The sources of the pages.
#[derive(Clone, Debug)]
pub struct HealthPage {
    /// The health that the front published last.
    pub health: watch::Receiver<Health>,
    /// The sign of life of the front's task.
    pub pulse: Arc<Pulse>,
    /// The state of the connection for requests; the view of the cluster has another connection, which the front knows
    /// of.
    pub link: watch::Receiver<Link>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The registry, for the age of the view.
    pub registry: Registry,
    /// Whether requests are received.
    pub listens: Arc<AtomicBool>,
}

/// Opens the port.
///
/// # Errors
/// Where the address cannot be bound.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves the port until the task is dropped.
///
/// # Errors
/// The errors of accepting connections.
pub async fn serve(listener: TcpListener, page: HealthPage) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
        .route("/api/status", get(status))
        .with_state(page);
    connections::serve(listener, routes, ConnectionLimits::of_this_process()).await
}

/// Whether the front's task lives: a process that answers here and decides nothing is to be ended.
async fn healthz(State(shown): State<HealthPage>) -> impl IntoResponse {
    match stuck(&shown.pulse) {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(note) => (StatusCode::SERVICE_UNAVAILABLE, format!("{note}\n")),
    }
}

async fn readyz(State(shown): State<HealthPage>) -> impl IntoResponse {
    let health = present(&shown);
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

/// The whole status: 200 where requests can be decided, whatever else may be wrong, and 503 where they cannot.
async fn status(State(shown): State<HealthPage>) -> impl IntoResponse {
    let health = present(&shown);
    let mut status = ReplicaStatus::clone(&health.status);
    status.view.age_ms = health.view_age_ms;
    if !health.bus && status.view.is_kept {
        status.view.is_kept = false;
        status.problems.push("NATS is not connected".to_owned());
    }
    status.problems.extend(stuck(&shown.pulse));
    status.ready = health.ready;
    let code = if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status))
}

/// Returns the present health; some fields change with time and not by events.
fn present(shown: &HealthPage) -> Health {
    let mut health = shown.health.borrow().clone();
    health.view_age_ms = shown.registry.view_age(Instant::now()).map(millis);
    if shown.link.borrow().state != LinkState::Connected {
        (health.bus, health.ready) = (false, false);
    }
    health.ready &= shown.listens.load(Ordering::Relaxed);
    if let Some(note) = stuck(&shown.pulse) {
        health.ready = false;
        health.notes.push(note);
    }
    health
}

/// The metrics. The text is in OpenMetrics' format, which readers of Prometheus' older format understand: the content
/// type names the format that the reader asks for.
async fn figures(State(shown): State<HealthPage>, asked: HeaderMap) -> impl IntoResponse {
    let health = present(&shown);
    shown.metrics.readiness(health.ready, health.bus);
    shown.metrics.view_age(shown.registry.view_age(Instant::now()));
    shown.metrics.lost_log_lines(log::lost_lines());
    shown.metrics.refused_log_questions(logs::refused_questions());
    let accepts = asked.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = if accepts.contains("application/openmetrics-text") { OPEN_METRICS } else { PLAIN };
    ([(header::CONTENT_TYPE, form)], shown.metrics.text())
}

/// Returns a note where the front's task shows no life. The health that the task published last looks good even then.
fn stuck(pulse: &Pulse) -> Option<String> {
    pulse.is_silent().then(|| format!("the main task has shown no life for {} s", pulse.silence().as_secs()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
