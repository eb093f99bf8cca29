//! The launchers of a simulation: their requests, the answers, and their use of the places.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Dice;

use super::plan::{BUSY, SimulationPlan, below, dice};
use super::replica::ACTION;

/// The step of [`Dice`] that launchers are drawn from.
const LAUNCHING: u64 = 2;
/// The time without an answer after which a launcher asks again, under the same id.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);
/// The most attempts of a launcher.
pub(super) const ATTEMPTS: usize = 4;

/// A launcher's use of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlacementUse {
    /// The session starts after the first time, and ends after the second. `true` where the launcher confirms the
    /// reservation.
    Starts(Duration, Duration, bool),
    /// The place is given back.
    Released,
    /// The session does not start, and the launcher reports that.
    Fails,
    /// The launcher does nothing more.
    Abandoned,
}

/// A launcher with a request.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) at: Duration,
    pub(super) user: String,
    /// Whether the request is sent a second time soon, through another connection.
    pub(super) asks_twice: bool,
    /// How long the request may wait for a free node, in milliseconds.
    wait_ms: u64,
    pub(super) place_use: PlacementUse,
    /// The time when each attempt was sent.
    pub(super) sent: Vec<Duration>,
    /// The answers, by attempt.
    pub(super) answers: BTreeMap<usize, AttemptAnswer>,
    /// The place that the launcher took: node and reservation.
    pub(super) place: Option<(Arc<str>, Arc<str>)>,
}

/// The answer to an attempt.
#[derive(Clone, Debug)]
pub(super) struct AttemptAnswer {
    pub(super) at: Duration,
    /// The node and the reservation; absent where the request failed.
    pub(super) place: Option<(Arc<str>, Arc<str>)>,
}

impl Launcher {
    /// Returns the launchers of `plan`.
    pub(super) fn all(plan: &SimulationPlan) -> Vec<Self> {
        let mut dice = dice(plan.seed, LAUNCHING);
        (0..plan.requests).map(|_| Self::draw(&mut dice, plan.users)).collect()
    }

    fn draw(dice: &mut Dice, users: u64) -> Self {
        let ms = |dice: &mut Dice, from: u64, to: u64| Duration::from_millis(from + below(dice, to - from));
        let at = ms(dice, 500, BUSY.as_millis() as u64);
        let place_use = match below(dice, 10) {
            0 => PlacementUse::Released,
            1 => PlacementUse::Fails,
            2 => PlacementUse::Abandoned,
            _ => PlacementUse::Starts(ms(dice, 50, 3000), ms(dice, 3000, 25_000), below(dice, 2) == 0),
        };
        Self {
            at,
            user: format!("u{}", below(dice, users)),
            asks_twice: below(dice, 6) == 0,
            wait_ms: if below(dice, 3) == 0 { below(dice, 4000) } else { 0 },
            place_use,
            sent: Vec::new(),
            answers: BTreeMap::new(),
            place: None,
        }
    }

    /// Returns the request of the launcher `number`.
    pub(super) fn request(&self, number: usize) -> Value {
        json!({"id": format!("r{number}"), "action": ACTION, "user": {"login": self.user}, "wait_ms": self.wait_ms})
    }

    /// Whether the launcher needs no further attempt.
    pub(super) fn is_content(&self) -> bool {
        !self.answers.is_empty() || self.sent.len() >= ATTEMPTS
    }

    /// Adds the answer to `attempt`. Returns the violation where there was an answer already.
    pub(super) fn answered(&mut self, attempt: usize, answer: AttemptAnswer) -> Option<String> {
        let old = self.answers.insert(attempt, answer);
        old.map(|old| format!("attempt {attempt} was answered twice, first at {:.3} s", old.at.as_secs_f64()))
    }
}

/// Reads node and reservation from the body of a reply.
pub(super) fn place_of(body: &[u8]) -> Option<(Arc<str>, Arc<str>)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(Arc::from);
    Some((text("node")?, text("reservation")?))
}

/// Reads the message of the failure from the body of a reply.
pub(super) fn failure_in(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no answer that can be read").to_owned()
}
