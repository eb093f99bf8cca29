//! The output of a program, read as the output comes and bounded.

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// The number of bytes that are read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// The most bytes that are read when a program has ended.
const DRAIN_BYTES: usize = 1 << 20;

/// The reading end of a program's standard output or standard error.
pub(super) struct Capture {
    pipe: Receiver,
    /// Whether all writers have closed the pipe. The pipe is kept all the same: closing can wait until the answer is
    /// out.
    ended: bool,
    bytes: Vec<u8>,
    received: usize,
    most: usize,
    kept: usize,
    unit: Unit,
}

/// The unit to which the limit applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// All bytes together.
    Whole,
    /// A line that has no end yet; the caller of [`Capture::take_lines`] checks those that have.
    Line,
}

/// The error of a program that printed more than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// The limit in bytes.
    pub(super) most: usize,
}

impl Capture {
    /// Creates a capture of `pipe`, of which `most` bytes may come and the last `kept` are kept.
    pub(super) fn new(pipe: Receiver, most: usize, kept: usize) -> Self {
        Self { pipe, ended: false, bytes: Vec::new(), received: 0, most, kept, unit: Unit::Whole }
    }

    /// Creates a capture of lines from `pipe`, of which none may have more than `most` bytes.
    pub(super) fn lines(pipe: Receiver, most: usize) -> Self {
        Self { unit: Unit::Line, ..Self::new(pipe, most, usize::MAX) }
    }

    /// Whether nothing more can come.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Waits for more output.
    ///
    /// # Errors
    /// Where the output passes the limit.
    pub(super) async fn more(&mut self) -> Result<(), Over> {
        let start = self.bytes.len();
        // A pipe that fails ends like one that is closed.
        let read = self.pipe.read_buf(&mut self.bytes).await.unwrap_or_default();
        self.ended = read == 0;
        self.note(start)
    }

    /// Takes the available output without waiting: all that a program wrote before the program ended.
    ///
    /// # Errors
    /// Where the output passes the limit.
    pub(super) fn drain(&mut self) -> Result<(), Over> {
        let (mut chunk, mut left) = ([0; CHUNK_BYTES], DRAIN_BYTES);
        // Read from the kernel and not through the runtime, which may not know of the last bytes yet.
        while !self.ended
            && let Ok(read @ 1..) = rustix::io::read(&self.pipe, &mut chunk)
        {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
            self.note(start)?;
            // A full pipe holds less than that: another process goes on writing.
            left = left.saturating_sub(read);
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    fn note(&mut self, start: usize) -> Result<(), Over> {
        self.received += self.bytes.len().saturating_sub(start);
        let line_start = || self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let counted = match self.unit {
            Unit::Line if self.received > self.most => self.bytes.len() - line_start(),
            Unit::Whole | Unit::Line => self.received,
        };
        if counted > self.most {
            return Err(Over { most: self.most });
        }
        let surplus = self.bytes.len().saturating_sub(self.kept);
        if surplus > self.kept {
            // Only now and then, because moving the rest costs time in proportion to the length.
            self.bytes.drain(..surplus);
        }
        Ok(())
    }

    /// Returns the output that was kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the output that was kept, as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Removes the whole lines, and returns them without their ends.
    pub(super) fn take_lines(&mut self) -> Vec<Vec<u8>> {
        let Some(end) = self.bytes.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.bytes.split_off(end + 1);
        let whole = std::mem::replace(&mut self.bytes, rest);
        self.received = self.bytes.len();
        let lines = whole.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        lines.filter(|line| !line.trim_ascii().is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::unix::pipe;

    #[tokio::test]
    async fn lines_are_taken_as_they_are_whole() {
        let (mut writer, reader) = pipe::pipe().unwrap();
        let mut capture = Capture::lines(reader, 8);
        writer.write_all(b"one\n\ntw").await.unwrap();
        capture.more().await.unwrap();
        assert_eq!(capture.take_lines(), [b"one"]);
        writer.write_all(b"o\n").await.unwrap();
        capture.more().await.unwrap();
        assert_eq!(capture.take_lines(), [b"two"]);
        writer.write_all(b"1234567\n1234567\n12345678").await.unwrap();
        capture.more().await.unwrap();
        assert_eq!(capture.take_lines(), [b"1234567", b"1234567"], "lines are judged one by one");
        writer.write_all(b"9").await.unwrap();
        assert_eq!(capture.more().await, Err(Over { most: 8 }), "a line may be no longer");
    }

    #[tokio::test]
    async fn the_end_is_kept_and_what_comes_last_is_not_waited_for() {
        let (mut writer, reader) = pipe::pipe().unwrap();
        let mut capture = Capture::new(reader, 100, 4);
        writer.write_all(&[b'x'; 50]).await.unwrap();
        capture.more().await.unwrap();
        writer.write_all(b"last").await.unwrap();
        capture.drain().unwrap();
        assert!(capture.text().ends_with("last") && capture.bytes().len() <= 8);
        assert!(!capture.has_ended(), "somebody holds it open, and that is no reason to wait");
        drop(writer);
        capture.more().await.unwrap();
        assert!(capture.has_ended());
    }
}
