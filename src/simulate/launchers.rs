//! The launchers of a simulation: what each asks for and is answered, and what it does with the place that it gets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Dice;

use super::plan::{BUSY, SimulationPlan, below, dice};
use super::replica::ACTION;

/// The step of [`Dice`] that launchers are drawn from.
const LAUNCHING: u64 = 2;
/// After so long without an answer a launcher asks again, under the same id.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);
/// How often a launcher asks at most.
pub(super) const ATTEMPTS: usize = 4;

/// What a launcher does with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlacementUse {
    /// The session starts after the first time, and ends after the second. `true` where the launcher confirms it.
    Starts(Duration, Duration, bool),
    /// The place is given back.
    Released,
    /// The session does not start, and the launcher says so.
    Fails,
    /// The launcher is not heard of again.
    Abandoned,
}

/// One request.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) at: Duration,
    pub(super) user: String,
    /// Whether the same is asked a second time at once, through another connection.
    pub(super) asks_twice: bool,
    /// How long the request may wait for a free node, in milliseconds.
    wait_ms: u64,
    pub(super) fate: PlacementUse,
    /// When each attempt was sent.
    pub(super) sent: Vec<Duration>,
    /// The answers, by attempt.
    pub(super) answers: BTreeMap<usize, AttemptAnswer>,
    /// The place that the launcher took.
    pub(super) place: Option<(Arc<str>, Arc<str>)>,
}

/// What came back for an attempt.
#[derive(Clone, Debug)]
pub(super) struct AttemptAnswer {
    pub(super) at: Duration,
    /// The node and the reservation; absent where the request failed.
    pub(super) place: Option<(Arc<str>, Arc<str>)>,
}

impl Launcher {
    /// The launchers of `plan`.
    pub(super) fn all(plan: &SimulationPlan) -> Vec<Self> {
        let mut dice = dice(plan.seed, LAUNCHING);
        (0..plan.requests).map(|_| Self::draw(&mut dice, plan.users)).collect()
    }

    fn draw(dice: &mut Dice, users: u64) -> Self {
        let ms = |dice: &mut Dice, from: u64, to: u64| Duration::from_millis(from + below(dice, to - from));
        let at = ms(dice, 500, BUSY.as_millis() as u64);
        let fate = match below(dice, 10) {
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
            fate,
            sent: Vec::new(),
            answers: BTreeMap::new(),
            place: None,
        }
    }

    /// The request of the launcher with this number.
    pub(super) fn request(&self, number: usize) -> Value {
        json!({"id": format!("r{number}"), "action": ACTION, "user": {"login": self.user}, "wait_ms": self.wait_ms})
    }

    /// Whether the launcher has nothing to ask for any more.
    pub(super) fn is_content(&self) -> bool {
        !self.answers.is_empty() || self.sent.len() >= ATTEMPTS
    }

    /// Takes in the answer to `attempt`. Returns what is wrong with it.
    pub(super) fn answered(&mut self, attempt: usize, answer: AttemptAnswer) -> Option<String> {
        let old = self.answers.insert(attempt, answer);
        old.map(|old| format!("attempt {attempt} was answered twice, first at {:.3} s", old.at.as_secs_f64()))
    }
}

/// Reads a reply's body.
pub(super) fn place_of(body: &[u8]) -> Option<(Arc<str>, Arc<str>)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(Arc::from);
    Some((text("node")?, text("reservation")?))
}

/// Reads the failure in a reply's body, in its own words.
pub(super) fn failure_in(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no answer that can be read").to_owned()
}
