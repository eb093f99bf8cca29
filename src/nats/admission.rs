//! The admission of requests: a bound on the bytes of requests that are in the service at once, from receipt to reply.
//!
//! The number of requests is bounded elsewhere; ten thousand of a megabyte each would still be more than a machine has.
//! Requests of the usual size are admitted where large requests no longer are, so that a flood of large requests keeps
//! nobody else out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes of requests in the service. In the front and on the way to a worker, each request takes about three
/// times the request's size.
pub const MAX_BYTES: usize = 32 << 20;
/// The size in bytes from which on a request counts as large.
const LARGE_BYTES: usize = 16 << 10;
/// The bytes that are kept free of large requests.
const KEPT_FOR_SMALL_BYTES: usize = 16 << 20;

/// The count of bytes of requests that are in the service.
#[derive(Debug, Default)]
pub struct Admission {
    inside: AtomicUsize,
}

/// The right of a request to be in the service; the bytes are free again once all copies of the permit are dropped.
#[derive(Debug)]
pub struct AdmissionPermit {
    admission: Arc<Admission>,
    bytes: usize,
}

impl Admission {
    /// Admits a request of `bytes` bytes, or returns `None` where there is no room for the request at the moment.
    pub fn admit(self: &Arc<Self>, bytes: usize) -> Option<Arc<AdmissionPermit>> {
        let most = if bytes >= LARGE_BYTES { MAX_BYTES - KEPT_FOR_SMALL_BYTES } else { MAX_BYTES };
        let permit = AdmissionPermit { admission: Arc::clone(self), bytes };
        // A permit that is not handed out gives its bytes back as any other.
        let before = self.inside.fetch_add(bytes, Ordering::Relaxed);
        (before + bytes <= most).then(|| Arc::new(permit))
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        self.admission.inside.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_requests_leave_room_for_small_ones() {
        let admission = Arc::new(Admission::default());
        let large: Vec<_> = std::iter::from_fn(|| admission.admit(1 << 20)).collect();
        assert_eq!(large.len(), 16);
        let small: Vec<_> = std::iter::from_fn(|| admission.admit(1 << 10)).collect();
        assert_eq!(small.len(), 16 << 10);
        drop((large, small));
        assert!(admission.admit(1 << 20).is_some(), "there is room again");
    }

    #[test]
    fn a_request_is_inside_until_the_last_copy_of_its_pass_is_gone() {
        let admission = Arc::new(Admission::default());
        let permit = admission.admit(1000).unwrap();
        let copy = Arc::clone(&permit);
        drop(permit);
        assert_eq!(admission.inside.load(Ordering::Relaxed), 1000);
        drop(copy);
        assert_eq!(admission.inside.load(Ordering::Relaxed), 0);
        assert!(admission.admit(usize::MAX / 2).is_none());
        assert_eq!(admission.inside.load(Ordering::Relaxed), 0);
    }
}
