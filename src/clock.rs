//! Time and chance as values: both come with the request, so that a decision can be run again.
//!
//! Nothing here reads a clock or rolls dice. Rejected: asking the host inside scripts, which is what makes a decision
//! unrepeatable (Nomad seeds its shuffle from the evaluation for the same reason).

use std::fmt;
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// The time at which something happens, told by whoever drives a part that reads no clock itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// By the monotonic clock: for whatever lasts.
    pub instant: Instant,
    /// By the wall clock, Unix milliseconds: for whatever others are told or tell.
    pub unix_ms: i64,
}

/// Measures what a step cost. Handed in, because the core reads no clock.
pub trait Stopwatch {
    /// Microseconds since some fixed moment, never less than before.
    fn micros(&self) -> u64;
}

/// A stopwatch that stands still: for tests, and where nobody asks what a step cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped;

impl Stopwatch for Stopped {
    fn micros(&self) -> u64 {
        0
    }
}

/// Says when what runs has used up its time, so that an engine which can stop a script does. Handed in, as all time is.
pub trait Alarm: fmt::Debug {
    /// What is over, where something is.
    fn overtime(&self) -> Option<Overtime>;

    /// Calls `wake` when it begins to ring and now and then while it does, from another thread: for an engine that does
    /// not ask while it works. It may be called once more when what it rang for has ended.
    fn on_overtime(&self, wake: Wake);

    /// The engine has stopped what runs and clears up after it: what a script made in its time, it takes time to free.
    fn acknowledge(&self);

    /// The engine works on its own account from here on: it builds what a script is given, or collects garbage. The time is
    /// not the script's until [`Alarm::resume`]. Pauses may lie one in the other.
    fn pause(&self) {}

    /// The script's own time runs again. Returns how long the pause was, in microseconds of CPU time; 0 where it lay in
    /// another one.
    fn resume(&self) -> u64 {
        0
    }

    /// So many microseconds of CPU time that follow now are the engine's own too.
    fn excuse(&self, _us: u64) {}
}

/// What an alarm calls.
pub type Wake = Box<dyn Fn() + Send>;

/// What has used up its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overtime {
    /// The step as a whole: nothing more of it is run.
    Step,
    /// One per-node call.
    Call,
}

/// An alarm that never rings: for tests, and where nobody measures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Alarm for Silent {
    fn overtime(&self) -> Option<Overtime> {
        None
    }

    fn on_overtime(&self, _wake: Wake) {}

    fn acknowledge(&self) {}
}

/// The moment of a request, as its scripts see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Unix time in milliseconds, UTC.
    pub ms: i64,
    /// Hour of the day in the site's time zone, 0 to 23.
    pub hour: u8,
    /// Minute of the hour, 0 to 59.
    pub minute: u8,
    /// Day of the week as JavaScript counts it: 0 is Sunday.
    pub weekday: u8,
    /// The zone's offset from UTC at that moment, in minutes, east positive.
    pub offset_min: i32,
}

impl Moment {
    /// The moment `ms` in `zone`; a time outside of jiff's range (year -9999 to 9999) counts as the epoch.
    #[must_use]
    pub fn at(ms: i64, zone: &TimeZone) -> Self {
        let instant = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = instant.to_zoned(zone.clone());
        Self {
            ms,
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
            weekday: local.weekday().to_sunday_zero_offset().unsigned_abs(),
            offset_min: offset_s(ms.div_euclid(1000), zone) / 60,
        }
    }
}

/// The time zone that `name` names: an IANA name such as `Europe/Berlin`, or a POSIX TZ string. Names come from the
/// database that is built in, so that no file is read.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).or_else(|_unknown| TimeZone::posix(name)).ok()
}

/// The offset of `zone` from UTC at Unix time `unix_s`, in seconds, east positive.
#[must_use]
pub fn offset_s(unix_s: i64, zone: &TimeZone) -> i32 {
    zone.to_offset(within_years(unix_s)).seconds()
}

/// The offset of `zone` from UTC at the local time that a clock on the wall shows `wall_s` seconds after it showed the
/// start of 1970, east positive. Where the clocks are changed, the offset before the change counts, as ECMA-262 has it: of
/// a time that comes twice the first is meant, and one that is left out is later by as much as the clocks are put forward.
#[must_use]
pub fn wall_offset_s(wall_s: i64, zone: &TimeZone) -> i32 {
    match zone.to_ambiguous_timestamp(Offset::UTC.to_datetime(within_years(wall_s))).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
        AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before.seconds(),
    }
}

/// The time `unix_s`, or one of a year with the same days where it lies beyond what the library of zones counts.
fn within_years(unix_s: i64) -> Timestamp {
    /// After so many seconds, 400 years, the calendar starts anew.
    const CYCLE_S: i64 = 146_097 * 86_400;
    /// A century at either end is left out, so that offsets fit.
    const MARGIN_S: i64 = 100 * 366 * 86_400;
    let (least, most) = (Timestamp::MIN.as_second() + MARGIN_S, Timestamp::MAX.as_second() - MARGIN_S);
    let within = match unix_s {
        late if late > most => most - CYCLE_S + (late - most).rem_euclid(CYCLE_S),
        early if early < least => least + CYCLE_S - (least - early).rem_euclid(CYCLE_S),
        within => within,
    };
    Timestamp::from_second(within).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A stream of random numbers that is the same whenever request, step and node are.
#[derive(Clone, Debug)]
pub struct Dice(Pcg64Mcg);

impl Dice {
    /// The stream of step number `step` of the request that drew `seed`; per-node functions add the node's id, so that
    /// lazy and eager evaluation see the same numbers.
    #[must_use]
    pub fn new(seed: u64, step: u64, node: &str) -> Self {
        let mut material = [0; 16];
        let words = [seed, fnv1a(node) ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15)];
        for (place, byte) in material.iter_mut().zip(words.into_iter().flat_map(u64::to_le_bytes)) {
            *place = byte;
        }
        Self(Pcg64Mcg::from_seed(material))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next number, at least 0 and below 1.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// FNV-1a: stable over releases and machines, unlike the standard library's hashers.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_the_sites() {
        let chicago = TimeZone::get("America/Chicago").unwrap();
        let moment = Moment::at(1_795_195_800_000, &chicago); // 2026-11-20T17:30:00Z, a Friday
        assert_eq!((moment.hour, moment.minute, moment.weekday, moment.offset_min), (11, 30, 5, -360));
        assert_eq!(Moment::at(i64::MAX, &TimeZone::UTC).hour, 0);
    }

    #[test]
    fn equal_seeds_give_equal_streams() {
        let draw = |seed, step, node| {
            let mut dice = Dice::new(seed, step, node);
            [dice.unit(), dice.unit()]
        };
        assert_eq!(draw(1, 0, ""), draw(1, 0, ""));
        assert_ne!(draw(1, 0, ""), draw(2, 0, ""));
        assert_ne!(draw(1, 0, "a"), draw(1, 0, "b"));
        assert_ne!(draw(1, 0, "a"), draw(1, 1, "a"));
        assert!(draw(7, 3, "x").iter().all(|number| (0.0..1.0).contains(number)));
    }
}
