//! The admission of requests: a bound on the bytes of requests that are in the service at once, from receipt to reply.
//!
//! The number of requests is bounded elsewhere; ten thousand requests of a megabyte each would still be more than a
//! machine has. Requests of the usual size are admitted where large requests no longer are, so that a flood of large
//! requests keeps nobody else out. Requests that wait for a free node, for minutes, are parked: parked requests hold
//! room in the front's wait budget, and none here. Small control messages are admitted where nothing else is, because
//! they end a lack of room or show the state of the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The most bytes of requests in the service. In the front and on the way to a worker, each request takes about three
/// times the request's size.
pub const MAX_BYTES: usize = 32 << 20;
/// The size in bytes from which on a request counts as large.
const LARGE_BYTES: usize = 16 << 10;
/// The bytes that are kept free of large requests.
const KEPT_FOR_SMALL_BYTES: usize = 16 << 20;
/// The bytes on top for small control messages: releases, confirmations, cancellations and the like.
const CONTROL_RESERVE_BYTES: usize = 4 << 20;
/// The size in bytes up to which a control message is small.
const CONTROL_MESSAGE_BYTES: usize = 64 << 10;

/// The kind of a request, by which the room for the request is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A request for a chain, or any other.
    Usual,
    /// A message that frees or changes places, or shows the state of the service: a release, a cordon, a status.
    Control,
}

/// The count of bytes of requests that are in the service.
#[derive(Debug, Default)]
pub struct Admission {
    inside: AtomicUsize,
    refused: AtomicU64,
}

/// The right of a request to be in the service; the bytes are free again once all copies of the permit are dropped, or
/// the request is parked.
#[derive(Debug)]
pub struct AdmissionPermit {
    admission: Arc<Admission>,
    bytes: usize,
    is_parked: AtomicBool,
}

impl Admission {
    /// Admits a request of `bytes` bytes, or returns `None` where there is no room for the request at the moment.
    pub fn admit(self: &Arc<Self>, kind: RequestKind, bytes: usize) -> Option<Arc<AdmissionPermit>> {
        let most = match kind {
            RequestKind::Control if bytes <= CONTROL_MESSAGE_BYTES => MAX_BYTES + CONTROL_RESERVE_BYTES,
            _ if bytes >= LARGE_BYTES => MAX_BYTES - KEPT_FOR_SMALL_BYTES,
            _ => MAX_BYTES,
        };
        let permit = AdmissionPermit { admission: Arc::clone(self), bytes, is_parked: AtomicBool::new(false) };
        // A permit that is not handed out gives its bytes back as any other.
        let before = self.inside.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before.checked_add(bytes).is_some_and(|inside| inside <= most);
        if !has_room {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        has_room.then(|| Arc::new(permit))
    }

    /// The bytes of requests that are in the service.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Relaxed)
    }

    /// The number of requests that were refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl AdmissionPermit {
    /// Gives the bytes back while the request stays: from now on the bytes are counted elsewhere.
    pub fn park(&self) {
        if !self.is_parked.swap(true, Ordering::Relaxed) {
            self.admission.inside.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        self.park();
    }
}

#[cfg(test)]
mod tests {
    use super::RequestKind::{Control, Usual};
    use super::*;

    #[test]
    fn large_requests_leave_room_for_small_ones() {
        let admission = Arc::new(Admission::default());
        let large: Vec<_> = std::iter::from_fn(|| admission.admit(Usual, 1 << 20)).collect();
        assert_eq!(large.len(), 16);
        let small: Vec<_> = std::iter::from_fn(|| admission.admit(Usual, 1 << 10)).collect();
        assert_eq!((small.len(), admission.inside()), (16 << 10, MAX_BYTES));
        assert_eq!(admission.refused(), 2);
        drop((large, small));
        assert!(admission.admit(Usual, 1 << 20).is_some(), "there is room again");
    }

    #[test]
    fn a_request_is_inside_until_the_last_copy_of_its_pass_is_gone() {
        let admission = Arc::new(Admission::default());
        let permit = admission.admit(Usual, 1000).unwrap();
        let copy = Arc::clone(&permit);
        drop(permit);
        assert_eq!(admission.inside(), 1000);
        drop(copy);
        assert_eq!(admission.inside(), 0);
        assert!(admission.admit(Usual, usize::MAX / 2).is_none());
        assert_eq!(admission.inside(), 0);
    }

    #[test]
    fn control_messages_find_room_where_nothing_else_does_up_to_a_bound() {
        let admission = Arc::new(Admission::default());
        let full: Vec<_> = std::iter::from_fn(|| admission.admit(Usual, 1 << 10)).collect();
        assert!(admission.admit(Usual, 100).is_none());
        let control: Vec<_> = std::iter::from_fn(|| admission.admit(Control, 1 << 10)).collect();
        assert_eq!(control.len(), CONTROL_RESERVE_BYTES >> 10);
        drop(control);
        assert!(admission.admit(Control, CONTROL_MESSAGE_BYTES + 1).is_none(), "a large one has no such right");
        drop(full);
    }

    #[test]
    fn a_request_that_is_parked_holds_no_room_and_gives_none_back_twice() {
        let admission = Arc::new(Admission::default());
        let (parked, other) = (admission.admit(Usual, 1000).unwrap(), admission.admit(Usual, 10).unwrap());
        parked.park();
        parked.park();
        assert_eq!(admission.inside(), 10);
        drop(parked);
        assert_eq!(admission.inside(), 10);
        drop(other);
        assert_eq!(admission.inside(), 0);
    }
}
