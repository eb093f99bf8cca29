//! The mark of a node: what the service holds against the node, each with author, time and reason.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::json::{self, JsonError, JsonLimits};

/// The largest mark document in bytes.
pub const MAX_MARK_BYTES: usize = 16 * 1024;
/// The longest reason in bytes; the rest is cut off.
pub const MAX_REASON_BYTES: usize = 1024;
/// The most times that the pause after a failed start is doubled: an hour, where the first pause is a minute.
pub const MOST_DOUBLED: u32 = 6;

/// The marks that the service keeps about a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The cordon: the node takes no new sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<MarkAuthor>,
    /// The drain: the node is being emptied, and somebody waits until the node is empty. Counts beside a cordon alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<MarkAuthor>,
    /// The cool-down: a start failed on the node a short while ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling_down: Option<CoolDown>,
    /// The acceptance: where new nodes are held, a node without it takes no sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<MarkAuthor>,
    /// The end of the node's membership: every replica that hears nothing of the node drops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<MarkAuthor>,
    /// The fields that another release keeps here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The author, time and reason of a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkAuthor {
    /// The author's name; may be empty.
    #[serde(default)]
    pub by: String,
    /// The time of writing, in Unix milliseconds UTC by the clock of the replica that wrote the mark.
    #[serde(default)]
    pub at_ms: i64,
    /// The reason; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// A node that gets no sessions for a while. The length of the pause counts, from the moment at which a reader sees the
/// mark being written: the writer's clock may be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDown {
    /// The end, in Unix milliseconds UTC by the writer's clock.
    pub until_ms: i64,
    /// The length of the pause from the writing on, in milliseconds; absent in marks of the first release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<u64>,
    /// The number of starts that failed on the node, each soon after the one before.
    #[serde(default)]
    pub failures: u32,
    /// The author, time and reason.
    #[serde(flatten)]
    pub word: MarkAuthor,
}

impl Mark {
    /// Reads a mark from untrusted `text`.
    ///
    /// # Errors
    /// [`JsonError`] where the text is no mark.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        json::parse_as(text, JsonLimits::bytes(MAX_MARK_BYTES))
    }

    /// Whether the node is being emptied. Lifting the cordon ends the drain too, also by a release that knows no
    /// drains.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.cordoned.is_some() && self.draining.is_some()
    }

    /// Whether the node takes no new sessions; `holds` says that nodes are held that nobody accepted.
    #[must_use]
    pub fn keeps_out(&self, holds: bool) -> bool {
        self.cordoned.is_some() || (holds && self.accepted.is_none())
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CoolDown {
    /// The time that the node is left alone from now on, in milliseconds, for a reader that sees the mark being
    /// written.
    #[must_use]
    pub fn from_now_ms(&self, now_ms: i64) -> u64 {
        self.whole_ms().unwrap_or_else(|| self.ahead_ms(now_ms))
    }

    /// The time that the node is still left alone at Unix time `now_ms`, in milliseconds, for a reader that finds the
    /// mark written: by both clocks, and no longer than the whole pause.
    #[must_use]
    pub fn left_ms(&self, now_ms: i64) -> u64 {
        self.ahead_ms(now_ms).min(self.whole_ms().unwrap_or(u64::MAX))
    }

    /// The whole length of the pause in milliseconds: `pause_ms`, or else the difference of two moments of the writer's
    /// clock.
    fn whole_ms(&self) -> Option<u64> {
        let by_moments = || (self.word.at_ms > 0).then(|| self.ahead_ms(self.word.at_ms));
        self.pause_ms.or_else(by_moments)
    }

    /// The time from `now_ms` to the end in milliseconds, if both are read from the same clock.
    fn ahead_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(self.until_ms.saturating_sub(now_ms)).unwrap_or_default()
    }

    /// Whether the node still cools down at Unix time `now_ms`. An end that is further off than the length of the pause
    /// was written by a clock that is ahead, and proves nothing.
    pub(super) fn runs_at(&self, now_ms: i64) -> bool {
        let ahead_ms = self.ahead_ms(now_ms);
        ahead_ms > 0 && self.whole_ms().is_none_or(|whole_ms| ahead_ms <= whole_ms)
    }
}

/// Returns the longest pause that can follow a first pause of `pause_ms`, both in milliseconds.
#[must_use]
pub fn longest_pause_ms(pause_ms: u64) -> u64 {
    pause_ms.saturating_mul(1 << MOST_DOUBLED)
}

impl MarkAuthor {
    /// Returns the same author with name and reason cut to [`MAX_REASON_BYTES`].
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [&mut self.by, &mut self.reason] {
            text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
        }
        self
    }

    /// Stores the author in `kept` if `kept` is empty or gives another reason; a repeat for the same reason changes
    /// nothing.
    pub(super) fn put(&self, kept: &mut Option<Self>) {
        let is_news = |kept: &Self| !self.reason.is_empty() && kept.reason != self.reason;
        if kept.as_ref().is_none_or(is_news) {
            *kept = Some(self.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(by: &str) -> MarkAuthor {
        MarkAuthor { by: by.to_owned(), at_ms: 7, reason: "kernel".to_owned() }
    }

    #[test]
    fn a_clock_that_is_wrong_lengthens_no_pause() {
        const DAY: i64 = 86_400_000;
        let cool_down = |until_ms, pause_ms, at_ms| {
            let author = MarkAuthor { at_ms, ..author("s") };
            CoolDown { until_ms, pause_ms, failures: 1, word: author }
        };
        let now = 20_000 * DAY;
        for ahead in [-DAY, -1000, 0, 1000, DAY, 400 * DAY] {
            for said in [Some(60_000), None] {
                let written = cool_down(now + ahead + 60_000, said, now + ahead);
                assert_eq!(written.from_now_ms(now), 60_000, "{ahead} {said:?}");
                assert_eq!(written.left_ms(now), u64::try_from(60_000 + ahead).unwrap_or(0).min(60_000), "{ahead}");
                assert_eq!(written.runs_at(now), (-60_000..=0).contains(&ahead), "{ahead}");
            }
        }
        let bare = cool_down(now + 5000, None, 0);
        assert_eq!((bare.from_now_ms(now), bare.left_ms(now)), (5000, 5000), "where nothing else is known");
        for nonsense in [i64::MIN, -1, 0] {
            assert_eq!(cool_down(nonsense, None, 0).from_now_ms(now), 0);
            assert_eq!(cool_down(nonsense, None, i64::MAX).left_ms(i64::MIN), 0, "{nonsense}");
        }
        assert_eq!(cool_down(i64::MAX, None, i64::MIN).left_ms(now), (i64::MAX - now).unsigned_abs());
    }

    #[test]
    fn documents_of_the_first_release_are_read_and_a_pause_is_said() {
        let old = br#"{"cooling_down":{"until_ms":61000,"failures":1,"by":"r","at_ms":1000,"reason":"x"}}"#;
        let mark = Mark::parse(old).unwrap();
        assert_eq!(mark.cooling_down.as_ref().unwrap().from_now_ms(0), 60_000);
        assert_eq!(serde_json::to_vec(&mark).unwrap(), old);
        let mut cool_down = mark.cooling_down.unwrap();
        cool_down.pause_ms = Some(7);
        assert!(serde_json::to_string(&cool_down).unwrap().contains(r#""pause_ms":7"#));
    }

    #[test]
    fn words_are_bounded() {
        let author = MarkAuthor { reason: "ü".repeat(5000), ..MarkAuthor::default() }.bounded();
        assert_eq!(author.reason.len(), MAX_REASON_BYTES);
    }
}
