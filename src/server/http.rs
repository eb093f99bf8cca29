//! The small HTTP port: `/healthz`, `/readyz`, `/metrics`. For this machine; it answers nobody's placements.

use std::net::SocketAddr;
use std::sync::Arc;
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
use crate::log;
use crate::nats::{Link, LinkState};
use crate::pulse::Pulse;
use crate::registry::Registry;

use super::connections::{self, ConnectionLimits};

/// The forms in which the figures may be asked for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the port shows.
#[derive(Clone, Debug)]
pub struct HealthPage {
    /// What the front's task wrote last.
    pub health: watch::Receiver<Health>,
    /// Whether that task lives.
    pub pulse: Arc<Pulse>,
    /// The connection that requests come over; the view of the cluster has another one, which the task knows of.
    pub link: watch::Receiver<Link>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// How old the view is.
    pub registry: Registry,
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
/// What accepting connections reports.
pub async fn serve(listener: TcpListener, page: HealthPage) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
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

/// The state as it is at this moment; some of it changes by the moment and not by an event.
fn present(shown: &HealthPage) -> Health {
    let mut health = shown.health.borrow().clone();
    health.view_age_ms = shown.registry.view_age(Instant::now()).map(millis);
    if shown.link.borrow().state != LinkState::Connected {
        (health.bus, health.ready) = (false, false);
    }
    if let Some(note) = stuck(&shown.pulse) {
        health.ready = false;
        health.notes.push(note);
    }
    health
}

/// The figures. The text is OpenMetrics', which readers of Prometheus' older form understand: each reader is told of the form
/// that it asks for.
async fn figures(State(shown): State<HealthPage>, asked: HeaderMap) -> impl IntoResponse {
    let health = present(&shown);
    shown.metrics.readiness(health.ready, health.bus);
    shown.metrics.view_age(shown.registry.view_age(Instant::now()));
    shown.metrics.lost_log_lines(log::lost_lines());
    let accepts = asked.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = if accepts.contains("application/openmetrics-text") { OPEN_METRICS } else { PLAIN };
    ([(header::CONTENT_TYPE, form)], shown.metrics.text())
}

/// What there is to say where the front's task shows no life. What the task wrote last looks as good as ever then.
fn stuck(pulse: &Pulse) -> Option<String> {
    pulse.is_silent().then(|| format!("the main task has shown no life for {} s", pulse.silence().as_secs()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
