//! Feeding a program: one that is started for a request gets as much at once as its pipe holds, the rest as it reads.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;

/// What a pipe holds without being asked to.
const USUAL_BYTES: usize = 64 << 10;
/// What it is made to hold for longer documents, where the system allows it.
const PIPE_BYTES: usize = 1 << 20;
/// Pieces that the kernel takes at once.
const PIECES: usize = 1024;

/// Writes all of `document` into `stdin` and closes it; a program need not read it.
pub(super) async fn feed(stdin: OwnedFd, document: &[Bytes]) {
    let Some(rest) = at_once(&stdin, document).filter(|rest| !rest.is_empty()) else { return };
    if let Ok(mut stdin) = Sender::from_owned_fd(stdin) {
        drop(stdin.write_all(&rest).await);
    }
}

/// The input of a program that is fed again and again.
///
/// # Errors
/// What the system says.
pub(super) fn sender(stdin: OwnedFd) -> io::Result<Sender> {
    widen(&stdin);
    Sender::from_owned_fd(stdin)
}

/// Writes what fits, without the runtime: most documents fit whole. Returns the rest; nothing where nobody reads.
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
    // Where it is refused, a document takes more turns.
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
