//! The layer that makes a line of each event: formatted once, for the ring and for standard error.
//!
//! The library's own layer would format each event a second time for the ring, and a line for each placement was a
//! fifth of what the service did in a login storm. Colours and JSON are still the library's: nobody measures there.

use std::cell::RefCell;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as UtcTime};
use tracing_subscriber::layer::Context;

use crate::plain::PlainFields;

use super::queue::LineQueue;
use super::ring::{LineLevel, LogRing};

/// The largest buffer that a thread keeps for its next line, in bytes.
const MAX_KEPT_BUFFER: usize = 16 << 10;

thread_local! {
    /// The buffer in which this thread writes its lines.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The layer that puts each event into a ring, and into a queue where lines are plain text.
pub(super) struct LineLayer {
    /// The last lines.
    pub(super) ring: &'static LogRing,
    /// The lines for standard error; `None` where another layer writes them, in colour or as JSON.
    pub(super) queue: Option<&'static LineQueue>,
}

impl LineLayer {
    /// Makes the line of `event` in `line`: time, level and target, then the fields.
    fn put(&self, line: &mut String, event: &Event<'_>) {
        let (level, target) = (LineLevel::of(*event.metadata().level()), event.metadata().target());
        let timed = UtcTime.format_time(&mut Writer::new(line));
        let headed = timed.and_then(|()| write!(line, " {:>5} {target}: ", level.as_str()));
        let fields = line.len();
        if headed.and_then(|()| PlainFields.format_fields(Writer::new(line), event)).is_err() {
            return;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        self.ring.push(at_ms, level, target, line.get(fields..).unwrap_or_default());
        if let Some(queue) = self.queue {
            line.push('\n');
            queue.push(line.as_bytes());
        }
    }
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => {
                line.clear();
                self.put(&mut line, event);
                if line.capacity() > MAX_KEPT_BUFFER {
                    *line = String::new();
                }
            }
            // A value that logs while it is written.
            Err(_in_use) => self.put(&mut String::new(), event),
        });
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(with_queue: bool) -> (&'static LogRing, &'static LineQueue) {
        let (ring, queue): (&LogRing, &LineQueue) = (Box::leak(Box::default()), Box::leak(Box::new(LineQueue::new())));
        let layer = LineLayer { ring, queue: with_queue.then_some(queue) };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(node = "a\nb", count = 3, "node `{}` is \u{1b}[31mback", "a\nb");
            tracing::warn!(target: "placement", "hm");
        });
        (ring, queue)
    }

    #[test]
    fn events_are_kept_as_plain_lines() {
        let (ring, _) = logged(false);
        let (lines, next, lost) = ring.read(0, usize::MAX, |_| true);
        assert_eq!((next, lost), (2, 0));
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["node `a\\nb` is \\u{1b}[31mback node=\"a\\nb\" count=3", "hm"]);
        assert_eq!((lines[0].level, lines[1].level), (LineLevel::Info, LineLevel::Warn));
        assert!(lines[0].target.starts_with("whither::log") && lines[0].at_ms > 1_700_000_000_000);
    }

    #[test]
    fn lines_look_as_the_library_writes_them() {
        let (_, queue) = logged(true);
        let text = String::from_utf8(queue.take(Vec::new())).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].ends_with(
                "Z  INFO whither::log::lines::tests: node `a\\nb` is \\u{1b}[31mback node=\"a\\nb\" count=3"
            )
        );
        assert!(lines[1].ends_with("Z  WARN placement: hm") && lines[1].starts_with("20"), "{text}");
    }
}
