//! Time limits for the processes that whither starts, which a pause of this process does not use up.
//!
//! Where the machine is suspended, or this process and its children are stopped, the clock goes on and no process
//! works. A limit is waited for in pieces: a pause of any length uses up at most one piece.

use std::time::Duration;

use tokio::time::sleep;

/// The most that a pause may use up of a limit.
const PIECE: Duration = Duration::from_millis(50);

/// Returns the result of `work`, or `None` where this process has run for `limit` meanwhile.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = run_for(limit) => None,
    }
}

/// Waits until this process has run for `time`.
async fn run_for(time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let piece = left.min(PIECE);
        sleep(piece).await;
        left -= piece;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance};

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn work_has_its_limit_and_no_longer() {
        let begun = Instant::now();
        assert_eq!(within(LIMIT, std::future::pending::<()>()).await, None);
        assert!((LIMIT..LIMIT + Duration::from_secs(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_eq!(within(Duration::ZERO, std::future::ready(7)).await, Some(7), "what is done is done");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_uses_up_no_limit() {
        let work = async {
            // Nothing else ran while the clock went on.
            advance(10 * LIMIT).await;
            sleep(LIMIT / 2).await;
        };
        assert!(within(LIMIT, work).await.is_some());
    }
}
