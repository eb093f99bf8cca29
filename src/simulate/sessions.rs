//! The actions of launchers in a simulation: they ask, use their places, and start and end sessions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::nats::message::Verb;

use super::launchers::{ATTEMPTS, AttemptAnswer, PATIENCE, PlacementUse, failure_in, place_of};
use super::plan::below;
use super::world::{World, WorldEvent, inbox};

/// The range of delays after which a launcher that asks twice asks the second time.
const TWICE_AFTER: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(2500));

impl World {
    /// Lets a launcher ask, or ask again where there is no answer.
    pub(super) fn ask(&mut self, number: usize) {
        let now = self.timeline.now();
        let Some(launcher) = self.launchers.get_mut(number) else { return };
        let is_twin = launcher.asks_twice && launcher.sent.len() == 1;
        if !is_twin && launcher.is_content() {
            return;
        }
        let attempt = launcher.sent.len();
        launcher.sent.push(now);
        let (request, asks_twice) = (launcher.request(number), launcher.asks_twice);
        let there: Vec<_> =
            (0..self.replicas.len()).filter(|place| self.replicas.get(*place).is_some_and(Option::is_some)).collect();
        let choice = below(&mut self.dice, there.len() as u64) as usize;
        if let Some(place) = there.get(choice).copied() {
            self.record(|| format!("request {number}, attempt {attempt}, to replica {place}"));
            self.request(place, Verb::Place, request.to_string().into(), Some(inbox(number, attempt)));
        }
        if attempt == 0 && asks_twice {
            let after = self.between(TWICE_AFTER.0, TWICE_AFTER.1);
            self.timeline.after(after, WorldEvent::Asks(number));
        }
        if attempt + 1 < ATTEMPTS {
            self.timeline.after(PATIENCE, WorldEvent::Asks(number));
        }
    }

    /// Handles an answer to a launcher.
    pub(super) fn answer(&mut self, number: usize, attempt: usize, body: &Bytes) {
        let (at, place) = (self.timeline.now(), place_of(body));
        self.record(|| match &place {
            Some((node, id)) => format!("request {number}, attempt {attempt}: {node}, {id}"),
            None => format!("request {number}, attempt {attempt}: {}", failure_in(body)),
        });
        let Some(launcher) = self.launchers.get_mut(number) else { return };
        let wrong = launcher.answered(attempt, AttemptAnswer { at, place: place.clone() });
        if let Some(wrong) = wrong {
            return self.violated(format!("request {number}: {wrong}"));
        }
        self.check_repeated(number, attempt);
        let Some((node, reservation)) = place else { return };
        let Some(launcher) = self.launchers.get_mut(number) else { return };
        match &launcher.place {
            None => {
                launcher.place = Some((Arc::clone(&node), Arc::clone(&reservation)));
                self.use_place(number, &reservation);
            }
            // The launcher has a place already.
            Some((_, own)) if *own != reservation => self.about(Verb::Release, &reservation, false),
            Some(_) => {}
        }
    }

    fn use_place(&mut self, number: usize, reservation: &Arc<str>) {
        let Some(place_use) = self.launchers.get(number).map(|launcher| launcher.place_use) else { return };
        match place_use {
            PlacementUse::Starts(after, ..) => self.timeline.after(after, WorldEvent::Starts(number)),
            PlacementUse::Released => self.about(Verb::Release, reservation, false),
            PlacementUse::Fails => self.about(Verb::Release, reservation, true),
            PlacementUse::Abandoned => {}
        }
    }

    /// Sends a message about a reservation to a random replica.
    fn about(&mut self, verb: Verb, reservation: &str, failed: bool) {
        let count = self.replicas.len() as u64;
        let place = below(&mut self.dice, count) as usize;
        let body = if failed {
            json!({"reservation": reservation, "failed": true})
        } else {
            json!({"reservation": reservation})
        };
        self.request(place, verb, body.to_string().into(), None);
    }

    /// Starts the session of a launcher on the node of the placement.
    pub(super) fn start_session(&mut self, number: usize) {
        let Some(launcher) = self.launchers.get(number) else { return };
        let (Some((node, reservation)), PlacementUse::Starts(_, lasts, confirms)) =
            (launcher.place.clone(), launcher.place_use)
        else {
            return;
        };
        let user = launcher.user.clone();
        let host = self.host_of.get(&node).copied().and_then(|place| self.hosts.get_mut(place));
        let Some(host) = host else {
            return self.violated(format!("request {number} was placed on `{node}`, which there is not"));
        };
        host.start(&reservation, &user);
        let (excess, count) = (host.excess(), host.len());
        self.record(|| format!("request {number}: its session starts on {node}, the {count}th there"));
        if excess > 0 && self.plan.is_strict {
            self.violated(format!("{node} has {count} sessions, {excess} more than it takes"));
        }
        if confirms {
            self.about(Verb::Confirm, &reservation, false);
        }
        self.timeline.after(lasts, WorldEvent::Stops(number));
    }

    /// Ends the session of a launcher.
    pub(super) fn stop_session(&mut self, number: usize) {
        let Some((node, reservation)) = self.launchers.get(number).and_then(|launcher| launcher.place.clone()) else {
            return;
        };
        let host = self.host_of.get(&node).copied().and_then(|place| self.hosts.get_mut(place));
        host.into_iter().for_each(|host| host.end(&reservation));
        self.record(|| format!("request {number}: its session on {node} ends"));
    }
}
