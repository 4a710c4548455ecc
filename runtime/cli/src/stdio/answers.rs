//! The answers to the owner's lines, in the order of the lines.

use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lastword::Runtime;
use lastword_server::limits::MAX_PENDING_ANSWERS;
use lastword_server::{Answered, ask, refused_line};

use crate::output::answer::{Answer, AnswerKind};
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::OwnerEvent;

type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Unanswered requests. Answers come out in the order of the lines.
#[derive(Default)]
pub(super) struct Answers {
    pending: FuturesOrdered<Pending>,
}

impl Answers {
    /// Whether another line may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING_ANSWERS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns the next answer. Never resolves if none is pending.
    pub(super) async fn next(&mut self) -> Answer {
        match self.pending.next().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Answers a line that cannot be carried out.
    pub(super) fn refuse(&mut self, line: u64, bad: &BadLine) {
        let answer = Answer { line, kind: AnswerKind::Refused, text: refused_line(line, bad) };
        self.pending.push_back(Box::pin(std::future::ready(answer)));
    }

    /// Hands an event to the runtime, where it takes its place in its session's order now.
    pub(super) fn ask(&mut self, runtime: &Runtime, line: u64, event: OwnerEvent) {
        let asked = ask(runtime, event);
        self.pending.push_back(Box::pin(async move { answer(&asked.await, line) }));
    }
}

fn answer(answered: &Answered, line: u64) -> Answer {
    let kind = match (&answered.result, answered.is_plain()) {
        (Err(_), _) => AnswerKind::Refused,
        // An `op_id` is no remark: the owner that gave it knows its line.
        (Ok(_), true) => AnswerKind::Accepted,
        (Ok(_), false) => AnswerKind::AcceptedWithRemark,
    };
    Answer { line, kind, text: answered.line(line) }
}
