//! The arrivals of users during a day: drawn as people come to work, or read from a record.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Dice;
use crate::model::head::DEFAULT_ACTION;

use super::capacity::Arrival;
use super::plan::dice;

/// The step of [`Dice`] that arrivals are drawn from.
const ARRIVING: u64 = 5;
const HOUR_S: f64 = 3600.0;
/// The waves of arrivals: percent of the users, the middle of the wave as hour of the day, and the half width in hours.
const WAVES: [(f64, f64, f64); 3] = [(70.0, 8.5, 1.25), (20.0, 13.0, 0.75), (10.0, 12.0, 9.0)];
/// The shortest session.
const SHORTEST: Duration = Duration::from_secs(60);

/// A day whose arrivals are drawn.
#[derive(Clone, Debug)]
pub struct WorkingDay {
    /// The number of users, each of whom comes once.
    pub users: u32,
    /// The mean length of a session; half of the sessions last between two thirds and four thirds of that.
    pub session: Duration,
    /// How long each request may wait for a free node.
    pub wait: Duration,
    /// The groups that users belong to, in turn.
    pub groups: Vec<String>,
    /// The seed of all chance.
    pub seed: u64,
}

/// The time when a user comes, and the length of the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrawnArrival {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
}

/// A line of a record: a request with the time of arrival and the length of the session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    at_s: f64,
    lasts_s: f64,
    request: Value,
}

impl WorkingDay {
    /// Returns the arrivals, in the order of time: seven in ten around half past eight, two around one o'clock, one at
    /// any time.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        let mut dice = dice(self.seed, ARRIVING);
        let mut arrivals: Vec<_> = (0..self.users).map(|number| self.arrival(number, &mut dice)).collect();
        arrivals.sort_by_key(|arrival| arrival.at);
        arrivals
    }

    fn arrival(&self, number: u32, dice: &mut Dice) -> Arrival {
        let DrawnArrival { at, lasts } = draw(self.session, dice);
        let mut request = json!({
            "action": DEFAULT_ACTION, "user": {"login": format!("user{number:05}")}, "wait_ms": self.wait.as_millis() as u64,
        });
        let group = self.groups.get(number as usize % self.groups.len().max(1));
        if let (Some(group), Some(fields)) = (group, request.as_object_mut()) {
            fields.insert("userGroups".to_owned(), json!([group]));
        }
        Arrival { at, request, lasts }
    }
}

/// Draws the time when a user comes, and the length of a session with the mean `session`.
pub(super) fn draw(session: Duration, dice: &mut Dice) -> DrawnArrival {
    let mut share = dice.unit() * WAVES.iter().map(|wave| wave.0).sum::<f64>();
    let wave = WAVES.iter().find(|wave| {
        share -= wave.0;
        share < 0.0
    });
    let (_, hour, spread) = wave.copied().unwrap_or(WAVES[0]);
    let at = ((hour + spread * around_zero(dice)) * HOUR_S).max(0.0);
    let lasts = session.mul_f64(1.0 + around_zero(dice)).max(SHORTEST);
    DrawnArrival { at: Duration::from_secs_f64(at), lasts }
}

/// Returns a number between -1 and 1, numbers near 0 more likely.
fn around_zero(dice: &mut Dice) -> f64 {
    dice.unit() + dice.unit() - 1.0
}

/// Reads a record: one JSON object a line, `{"at_s": 30600, "lasts_s": 3600, "request": {…}}`.
///
/// # Errors
/// The number of the line that is no such object, and the reason.
pub fn recorded(text: &str) -> Result<Vec<Arrival>, String> {
    let mut arrivals = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: String| format!("line {}: {why}", number + 1);
        let Recorded { at_s, lasts_s, request } =
            serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let time = |name: &str, seconds: f64| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| wrong(format!("`{name}` is {seconds}, no time in seconds")))
        };
        if !request.is_object() {
            return Err(wrong("`request` is no object".to_owned()));
        }
        arrivals.push(Arrival { at: time("at_s", at_s)?, lasts: time("lasts_s", lasts_s)?, request });
    }
    arrivals.sort_by_key(|arrival| arrival.at);
    Ok(arrivals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_people_come_in_the_morning_and_sessions_last_as_long_as_said() {
        let session = Duration::from_secs(4 * 3600);
        let day = WorkingDay {
            users: 4000,
            session,
            wait: Duration::ZERO,
            groups: vec!["cad".into(), "office".into()],
            seed: 1,
        };
        let arrivals = day.arrivals();
        assert_eq!(arrivals.len(), 4000);
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        let hours = |arrival: &Arrival| arrival.at.as_secs_f64() / HOUR_S;
        let morning = arrivals.iter().filter(|arrival| (7.25..9.75).contains(&hours(arrival))).count();
        assert!((2700..3100).contains(&morning), "{morning}");
        let mean = arrivals.iter().map(|arrival| arrival.lasts.as_secs_f64()).sum::<f64>() / 4000.0;
        assert!((mean / session.as_secs_f64() - 1.0).abs() < 0.05, "{mean}");
        let cad = arrivals.iter().filter(|arrival| arrival.request["userGroups"][0] == "cad").count();
        assert_eq!(cad, 2000);
    }

    #[test]
    fn a_record_is_read_line_by_line() {
        let record = "{\"at_s\": 9, \"lasts_s\": 60, \"request\": {\"user\": {\"login\": \"ann\"}}}\n\n{\"at_s\": 0.5, \"lasts_s\": 1, \"request\": {}}\n";
        let arrivals = recorded(record).unwrap();
        assert_eq!(arrivals.iter().map(|arrival| arrival.at.as_millis()).collect::<Vec<_>>(), [500, 9000]);
        for (line, words) in [
            ("{", "line 1: EOF"),
            ("{\"at_s\": -1, \"lasts_s\": 1, \"request\": {}}", "line 1: `at_s` is -1"),
            ("{\"at_s\": 1, \"lasts_s\": 1, \"request\": 3}", "line 1: `request` is no object"),
            ("{\"at_s\": 1, \"lasts_s\": 1, \"request\": {}, \"user\": 1}", "line 1: unknown field `user`"),
        ] {
            let error = recorded(line).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
