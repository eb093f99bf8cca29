//! Frames: a length, then a value in postcard. Both ends are ours, so a frame past the limit is a fault of the other end.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest frame in bytes; batches are cut far below it.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// `value` as a frame.
///
/// # Errors
/// Where the value is larger than a frame may be.
pub fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut frame = postcard::to_extend(value, vec![0; 4]).map_err(io::Error::other)?;
    let length = frame.len() - 4;
    let length = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME_BYTES);
    let header = length.ok_or_else(|| io::Error::other("a frame larger than 64 MiB"))?.to_le_bytes();
    for (place, byte) in frame.iter_mut().zip(header) {
        *place = byte;
    }
    Ok(frame)
}

/// Writes `value` as a frame.
///
/// # Errors
/// As [`encode`], and what the stream reports.
pub fn write<T: Serialize>(stream: &mut impl Write, value: &T) -> io::Result<()> {
    stream.write_all(&encode(value)?)
}

/// Reads one frame; absent at the end of the stream.
///
/// # Errors
/// What the stream reports, or that the bytes are no such frame.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut header = [0; 4];
    match stream.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut frame = vec![0; length(header)?];
    stream.read_exact(&mut frame)?;
    decode(&frame).map(Some)
}

/// Reads one frame; absent at the end of the stream.
///
/// # Errors
/// As [`read`].
pub async fn read_async<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut header = [0; 4];
    match stream.read_exact(&mut header).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let mut frame = vec![0; length(header)?];
    stream.read_exact(&mut frame).await?;
    decode(&frame).map(Some)
}

fn length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame larger than 64 MiB"));
    }
    Ok(length)
}

fn decode<T: DeserializeOwned>(frame: &[u8]) -> io::Result<T> {
    postcard::from_bytes(frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
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
    fn a_lying_length_is_an_error() {
        let mut lie: &[u8] = &[255, 255, 255, 255, 0];
        assert!(read::<u8>(&mut lie).is_err());
        let mut cut: &[u8] = &[9, 0, 0, 0, 0];
        assert!(read::<u8>(&mut cut).is_err());
    }
}
