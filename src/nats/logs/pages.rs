//! The answers to questions for log lines: one question at a time, on a thread that may take its time.
//!
//! To write a log of a megabyte as JSON takes tens of milliseconds of a processor, and every process answers each
//! question. So the threads that carry requests write no answers, and few questions wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_nats::{Client, Subject};
use tokio::sync::mpsc;

use super::{LogProcess, LogsAnswer, LogsQuery, MESSAGE_BYTES};
use crate::log;

/// The most questions that wait while another question is being answered. Further questions are refused.
pub(super) const QUESTIONS_WAITING: usize = 16;

/// The number of questions that were refused since the start.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Returns the number of questions for log lines that this process refused because too many waited.
#[must_use]
pub fn refused_questions() -> u64 {
    REFUSED.load(Ordering::Relaxed)
}

/// A question for the lines that are kept.
#[derive(Debug)]
pub(super) struct LogQuestion {
    pub(super) query: LogsQuery,
    pub(super) reply: Subject,
    /// The number of the first line that is no part of the answer: a follower is sent the lines from there on.
    pub(super) end: u64,
    /// Set once the answer is sent.
    pub(super) is_answered: Arc<AtomicBool>,
}

/// Starts to answer questions, until their sender is gone.
pub(super) fn answer(client: Client, process: LogProcess) -> mpsc::Sender<LogQuestion> {
    let (questions, mut asked) = mpsc::channel::<LogQuestion>(QUESTIONS_WAITING);
    tokio::spawn(async move {
        let process = Arc::new(process);
        while let Some(question) = asked.recv().await {
            send(&client, &process, &question).await;
            question.is_answered.store(true, Ordering::Release);
        }
    });
    questions
}

/// Passes `question` on; returns false where too many wait.
pub(super) fn pass_on(questions: &mpsc::Sender<LogQuestion>, question: LogQuestion) -> bool {
    let is_taken = questions.try_send(question).is_ok();
    if !is_taken {
        REFUSED.fetch_add(1, Ordering::Relaxed);
    }
    is_taken
}

async fn send(client: &Client, process: &Arc<LogProcess>, question: &LogQuestion) {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let mut from = 0;
    loop {
        let (process, query, end) = (Arc::clone(process), question.query.clone(), question.end);
        let page = tokio::task::spawn_blocking(move || page(&process, &query, (from, end), now_ms)).await;
        let Ok(Page { text, next }) = page else { return };
        if let Some(text) = text {
            // A reader that misses an answer asks again; to log the failure would be one more line to send.
            drop(client.publish(question.reply.clone(), text.into()).await);
        }
        match next {
            Some(next) => from = next,
            None => return,
        }
    }
}

/// A page of lines.
struct Page {
    /// The message; `None` where no line of this part of the log is wanted, and further parts follow.
    text: Option<Vec<u8>>,
    /// The number of the first line of the next page; `None` where this page is the last.
    next: Option<u64>,
}

fn page(process: &LogProcess, query: &LogsQuery, (from, end): (u64, u64), now_ms: i64) -> Page {
    let (mut lines, next, _forgotten) = log::ring().read(from, MESSAGE_BYTES, |line| query.wants(line, now_ms));
    lines.retain(|line| line.seq < end);
    let next = Some(next).filter(|next| *next < end);
    let text = (next.is_none() || !lines.is_empty())
        .then(|| written(&LogsAnswer { lines, more: next.is_some(), ..LogsAnswer::of(process) }));
    Page { text, next }
}

/// Returns `answer` as a message.
pub(super) fn written(answer: &LogsAnswer) -> Vec<u8> {
    // Text and numbers can always be written.
    serde_json::to_vec(answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn questions_beyond_those_that_may_wait_are_refused_and_counted() {
        let (questions, mut asked) = mpsc::channel(QUESTIONS_WAITING);
        let question =
            || LogQuestion { query: LogsQuery::default(), reply: "inbox".into(), end: 0, is_answered: Arc::default() };
        let before = refused_questions();
        let taken = (0..100).filter(|_| pass_on(&questions, question())).count();
        assert_eq!((taken, refused_questions() - before), (QUESTIONS_WAITING, 84));
        assert!(asked.recv().await.is_some() && pass_on(&questions, question()), "there is room again");
    }
}
