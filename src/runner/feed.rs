//! Writes the input of a program: a program that is started for a request gets as much at once as the pipe holds, and
//! the rest as the program reads.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;

/// The size of a pipe by default, in bytes.
const USUAL_BYTES: usize = 64 << 10;
/// The size of a pipe for longer documents, in bytes, where the system allows that.
const PIPE_BYTES: usize = 1 << 20;
/// The most pieces that the kernel takes in one call.
const PIECES: usize = 1024;

/// Writes all of `document` into `stdin` and closes `stdin`; a program need not read the document.
pub(super) async fn feed(stdin: OwnedFd, document: &[Bytes]) {
    let Some(rest) = at_once(&stdin, document).filter(|rest| !rest.is_empty()) else { return };
    if let Ok(mut stdin) = Sender::from_owned_fd(stdin) {
        drop(stdin.write_all(&rest).await);
    }
}

/// Returns the input of a resident program, with a larger pipe.
///
/// # Errors
/// The error of the system.
pub(super) fn sender(stdin: OwnedFd) -> io::Result<Sender> {
    widen(&stdin);
    Sender::from_owned_fd(stdin)
}

/// Writes as much as fits, without the runtime: most documents fit whole. Returns the rest, or `None` where the program
/// has closed the pipe.
fn at_once(stdin: &OwnedFd, document: &[Bytes]) -> Option<Vec<u8>> {
    if document.iter().map(Bytes::len).sum::<usize>() > USUAL_BYTES {
        widen(stdin);
    }
    rustix::io::ioctl_fionbio(stdin, true).ok()?;
    let mut pieces: Vec<_> = document.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut left = pieces.as_mut_slice();
    while !left.is_empty() {
        match rustix::io::writev(stdin, left.get(..PIECES.min(left.len())).unwrap_or_default()) {
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(_closed) => return None,
        }
    }
    Some(left.iter().flat_map(|piece| piece.iter().copied()).collect())
}

fn widen(stdin: &OwnedFd) {
    // Where the system refuses, a document is written in more parts.
    let _refused = rustix::pipe::fcntl_setpipe_size(stdin, PIPE_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::unix::pipe::Receiver;

    async fn fed(bytes: usize) -> usize {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut reader = Receiver::from_owned_fd(reader).unwrap();
        let document: Vec<_> = vec![b'x'; bytes].chunks(700).map(Bytes::copy_from_slice).collect();
        let mut read = Vec::new();
        let (_, all) = tokio::join!(feed(writer, &document), reader.read_to_end(&mut read));
        all.unwrap()
    }

    #[tokio::test]
    async fn a_document_arrives_whole_whatever_its_size() {
        for bytes in [0, 1, USUAL_BYTES, PIPE_BYTES, 3 * PIPE_BYTES + 1] {
            assert_eq!(fed(bytes).await, bytes);
        }
    }

    #[tokio::test]
    async fn nobody_need_read_it() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        feed(writer, &[Bytes::from_static(b"unread")]).await;
    }
}
