//! Frames: a length, then values in postcard. Both ends are whither's, so a frame past the limit is a fault of the
//! other end.

use std::io::{self, Read};
use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest frame in bytes; batches are cut far below that.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// The size of the length that stands before a frame's body, in bytes.
pub const HEADER_BYTES: usize = 4;

/// The number of bytes of a body for which room is made at a time: a sender that announces a large frame may never send
/// the frame.
const STEP_BYTES: usize = 1 << 20;

/// The initial capacity of a frame: growing from nothing costs more than that saves.
const USUAL_BYTES: usize = 4 << 10;

/// Returns a frame without a body yet: values are appended, then the frame is [closed](close).
#[must_use]
pub fn open() -> Vec<u8> {
    let mut frame = Vec::with_capacity(USUAL_BYTES);
    frame.resize(HEADER_BYTES, 0);
    frame
}

/// Empties a frame that was written, and returns the frame with only the header.
#[must_use]
pub fn reopen(mut frame: Vec<u8>) -> Vec<u8> {
    frame.clear();
    frame.resize(HEADER_BYTES, 0);
    frame
}

/// Writes the length of the body into the header of `frame`. A body that is too large is refused by the reader.
pub fn close(frame: &mut [u8]) {
    let length = u32::try_from(frame.len().saturating_sub(HEADER_BYTES)).unwrap_or(u32::MAX);
    for (place, byte) in frame.iter_mut().zip(length.to_le_bytes()) {
        *place = byte;
    }
}

/// Encodes `value` as a frame.
///
/// # Errors
/// Where the value is larger than a frame may be.
pub fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut frame = postcard::to_extend(value, open()).map_err(io::Error::other)?;
    if frame.len() - HEADER_BYTES > MAX_FRAME_BYTES {
        return Err(io::Error::other("a frame larger than 64 MiB"));
    }
    close(&mut frame);
    Ok(frame)
}

/// Reads the body of a frame into `body`, whose memory is used again; returns false at the end of the stream.
///
/// # Errors
/// The error of the stream, or a length that no frame has.
pub fn read_frame(stream: &mut impl Read, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut header = [0; HEADER_BYTES];
    match stream.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    }
    let length = length(header)?;
    body.truncate(length);
    for step in steps(length) {
        body.resize(step.end, 0);
        stream.read_exact(body.get_mut(step).unwrap_or_default())?;
    }
    Ok(true)
}

/// Reads a frame of a single value; returns `None` at the end of the stream.
///
/// # Errors
/// As [`read_frame`], or bytes that are no such value.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut body = Vec::new();
    if !read_frame(stream, &mut body)? {
        return Ok(None);
    }
    postcard::from_bytes(&body).map(Some).map_err(invalid)
}

/// Reads a frame as [`read_frame`] does, without blocking a thread.
///
/// # Errors
/// As [`read_frame`].
pub async fn read_frame_async(stream: &mut (impl AsyncRead + Unpin), body: &mut Vec<u8>) -> io::Result<bool> {
    let mut header = [0; HEADER_BYTES];
    match stream.read_exact(&mut header).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    };
    let length = length(header)?;
    body.truncate(length);
    for step in steps(length) {
        body.resize(step.end, 0);
        stream.read_exact(body.get_mut(step).unwrap_or_default()).await?;
    }
    Ok(true)
}

/// Returns the values in a frame's body one after the other; where the bytes cannot be decoded, the last value is an
/// error.
pub fn values<T: DeserializeOwned>(mut body: &[u8]) -> impl Iterator<Item = io::Result<T>> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let (value, rest) = match postcard::take_from_bytes(body) {
            Ok((value, rest)) => (Ok(value), rest),
            Err(error) => (Err(invalid(error)), [].as_slice()),
        };
        body = rest;
        Some(value)
    })
}

fn length(header: [u8; HEADER_BYTES]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame larger than 64 MiB"));
    }
    Ok(length)
}

/// Returns the parts of a body of `length` bytes that are read in turn.
fn steps(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(STEP_BYTES).map(move |start| start..length.min(start + STEP_BYTES))
}

fn invalid(error: postcard::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Report};
    use std::sync::Arc;

    #[test]
    fn a_change_crosses_whole() {
        let report = Report::parse(br#"{"id":"a","nodeData":{"sessions":[{"id":"s"}]},"x":[1.5,null]}"#).unwrap();
        let changes = vec![Change::Report(Arc::new(report)), Change::Remove("b".into())];
        let frame = encode(&changes).unwrap();
        let mut stream = frame.as_slice();
        assert_eq!(read::<Vec<Change>>(&mut stream).unwrap().unwrap(), changes);
        assert!(read::<Vec<Change>>(&mut stream).unwrap().is_none());
    }

    #[test]
    fn a_body_of_several_steps_is_read_whole_into_memory_that_is_used_again() {
        let (long, short) = (vec![7_u8; 3 * STEP_BYTES + 5], vec![8_u8; 3]);
        let frames = [encode(&long).unwrap(), encode(&short).unwrap()].concat();
        let (mut stream, mut body) = (frames.as_slice(), Vec::new());
        for sent in [long, short] {
            assert!(read_frame(&mut stream, &mut body).unwrap());
            assert_eq!(postcard::from_bytes::<Vec<u8>>(&body).unwrap(), sent);
        }
    }

    #[test]
    fn a_frame_that_never_comes_takes_no_memory() {
        let mut told = u32::try_from(MAX_FRAME_BYTES).unwrap().to_le_bytes().to_vec();
        told.push(0);
        let mut body = Vec::new();
        assert!(read_frame(&mut told.as_slice(), &mut body).is_err());
        assert!(body.capacity() <= 2 * STEP_BYTES, "{}", body.capacity());
    }

    #[test]
    fn a_lying_length_is_an_error() {
        let mut lie: &[u8] = &[255, 255, 255, 255, 0];
        assert!(read::<u8>(&mut lie).is_err());
        let mut cut: &[u8] = &[9, 0, 0, 0, 0];
        assert!(read::<u8>(&mut cut).is_err());
        let told: Vec<_> = values::<u32>(&[7, 255]).map(|value| value.ok()).collect();
        assert_eq!(told, [Some(7), None], "what is no value ends the frame");
    }
}
