//! The small HTTP port: `/healthz`, `/readyz`, `/metrics`. For this machine; it answers nobody's placements.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::health::Health;
use super::metrics::Metrics;
use crate::registry::Registry;

#[derive(Clone)]
struct Shown {
    health: watch::Receiver<Health>,
    metrics: Arc<Metrics>,
    registry: Registry,
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
pub async fn serve(
    listener: TcpListener,
    health: watch::Receiver<Health>,
    metrics: Arc<Metrics>,
    registry: Registry,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
        .with_state(Shown { health, metrics, registry });
    axum::serve(listener, routes).await
}

async fn readyz(State(shown): State<Shown>) -> impl IntoResponse {
    let mut health = shown.health.borrow().clone();
    // It changes by the moment, not by an event.
    health.view_age_ms = shown.registry.view_age().map(millis);
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

async fn figures(State(shown): State<Shown>) -> impl IntoResponse {
    shown.metrics.view_age(shown.registry.view_age());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shown.metrics.text())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
