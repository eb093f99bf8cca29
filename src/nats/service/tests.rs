//! Tests of the NATS service.

use super::*;

#[test]
fn a_reply_that_does_not_fit_is_an_error_that_does() {
    let outgoing = |size: usize| Outgoing {
        verb: Verb::Nodes,
        reply: Some("inbox".into()),
        received: Instant::now(),
        body: vec![b' '; size].into(),
        error: None,
        place: None,
        trace: None,
    };
    assert_eq!(fitting(outgoing(2000), 4096).body.len(), 2000);
    assert_eq!(fitting(outgoing(9000), 0).body.len(), 9000, "before the first connection nothing is known");
    let refused = fitting(outgoing(4000), 4096);
    assert!(refused.error.is_some_and(|(name, message)| name == FailureName::Internal && message.contains("4096")));
    assert!(refused.body.len() < 1000);
}
