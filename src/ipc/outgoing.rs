//! Commands on their way to a worker or to the runner: encoded at once, in frames of bounded size.

use std::collections::VecDeque;

use serde::Serialize;

use super::frame;

/// The size of a frame in bytes from which no further command is added; with the largest command on top, the frame is
/// still not too large.
const FRAME_BYTES: usize = 64 << 10;
/// The number of written frames whose memory is kept to be used again, and the largest such frame in bytes.
const SPENT_FRAMES: usize = 16;
const SPENT_BYTES: usize = 4 * FRAME_BYTES;

/// The usual size of an encoded command in bytes.
const USUAL_BYTES: usize = 256;

/// A command that is encoded once for all workers that receive the command.
#[derive(Clone, Debug)]
pub struct Encoded(Vec<u8>);

impl Encoded {
    /// Encodes `order` for the wire.
    #[must_use]
    pub fn new<O: Serialize>(order: &O) -> Self {
        // Encoding cannot fail here, for the reason in `Orders::push`.
        Self(postcard::to_extend(order, Vec::with_capacity(USUAL_BYTES)).unwrap_or_default())
    }
}

/// The commands that wait for their worker to read them.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Frames that were written, kept to be used again: fresh memory for each would cost more than the content.
    spent: Vec<Vec<u8>>,
}

impl Orders {
    /// Adds `order`.
    pub fn push<O: Serialize>(&mut self, order: &O) {
        // Only sequences of unknown length cannot be encoded, and a command has none.
        self.extend(|frame| postcard::to_extend(order, frame).unwrap_or_else(|_never| frame::open()));
    }

    /// Adds a command that was encoded before.
    pub fn push_encoded(&mut self, order: &Encoded) {
        self.extend(|mut frame| {
            frame.extend_from_slice(&order.0);
            frame
        });
    }

    /// Removes the first frame and returns the frame, ready to be written.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let mut frame = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(frame.len() - frame::HEADER_BYTES);
        frame::close(&mut frame);
        Some(frame)
    }

    /// Takes back a frame that was written.
    pub fn recycle(&mut self, frame: Vec<u8>) {
        if self.spent.len() < SPENT_FRAMES && frame.capacity() <= SPENT_BYTES {
            self.spent.push(frame);
        }
    }

    /// Whether no command waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The size of the waiting commands in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets `write` append to the last frame, or to a new frame where the last is full.
    fn extend(&mut self, write: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let last = self.frames.pop_back_if(|frame| frame.len() < FRAME_BYTES);
        let spent = || self.spent.pop().map(frame::reopen);
        let last = last.or_else(spent).unwrap_or_else(frame::open);
        let before = last.len();
        let last = write(last);
        self.bytes += last.len().saturating_sub(before);
        self.frames.push_back(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::frame::{read_frame, values};
    use crate::model::Change;

    fn removal(id: &str) -> Change {
        Change::Remove(id.into())
    }

    fn read(mut orders: Orders) -> Vec<(usize, Vec<String>)> {
        let mut frames = Vec::new();
        while let Some(frame) = orders.pop() {
            let mut body = Vec::new();
            assert!(read_frame(&mut frame.as_slice(), &mut body).unwrap());
            let ids = values::<Change>(&body).map(|order| match order.unwrap() {
                Change::Remove(id) => id.to_string(),
                other => panic!("{other:?}"),
            });
            frames.push((frame.len(), ids.collect()));
        }
        assert_eq!(orders.bytes(), 0);
        frames
    }

    #[test]
    fn what_is_encoded_once_or_at_once_arrives_in_order() {
        let mut orders = Orders::default();
        orders.push(&removal("a"));
        orders.push_encoded(&Encoded::new(&removal("b")));
        orders.push(&removal("c"));
        assert_eq!(orders.bytes(), 3 * Encoded::new(&removal("a")).0.len());
        let ids: Vec<_> = read(orders).into_iter().flat_map(|(_, ids)| ids).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn a_frame_that_was_written_is_used_again_empty() {
        let mut orders = Orders::default();
        orders.push(&removal("a"));
        let frame = orders.pop().unwrap();
        let memory = frame.as_ptr();
        orders.recycle(frame);
        orders.push(&removal("b"));
        assert_eq!(orders.frames[0].as_ptr(), memory);
        assert_eq!(read(orders).into_iter().flat_map(|(_, ids)| ids).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn frames_are_bounded() {
        let mut orders = Orders::default();
        let long = "x".repeat(60_000);
        (0..20).for_each(|_| orders.push(&removal(&long)));
        let frames = read(orders);
        assert_eq!(frames.iter().map(|(_, ids)| ids.len()).sum::<usize>(), 20);
        assert!(frames.len() > 1 && frames.iter().all(|(bytes, _)| *bytes < FRAME_BYTES + 61_000));
    }
}
