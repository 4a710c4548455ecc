//! The answers to the owner's lines, in the order of the lines.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lastword::{Acceptance, Accepted, CompactionRequest, EndRequest, Refusal, Runtime, StartRequest};
use lastword_events::Event;

use crate::limits::MAX_PENDING_ANSWERS;
use crate::protocol::answer::{Answer, AnswerKind};
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::OwnerEvent;
use lastword_protocol::output::{self, Output};

type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What was asked and is not answered yet. Answers come out in the order of the lines.
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

    /// The next answer; never resolves when there is none to come.
    pub(super) async fn next(&mut self) -> Answer {
        match self.pending.next().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// A line that cannot be carried out.
    pub(super) fn refuse(&mut self, line: u64, bad: &BadLine) {
        let text = Output::Error(output::Error::new(line, bad)).line();
        self.pending.push_back(Box::pin(std::future::ready(Answer { line, kind: AnswerKind::Refused, text })));
    }

    /// Hands an event to the runtime, where it takes its turn now.
    pub(super) fn ask(&mut self, runtime: &Runtime, line: u64, event: OwnerEvent) {
        let OwnerEvent { op_id, session, event, dropped } = event;
        let asked = |op| PendingRequest { op, op_id: op_id.clone(), line, dropped };
        let answer: Pending = match event {
            Event::Start(event) => {
                let asked = asked("start");
                Box::pin(asked.answer(runtime.start_session(StartRequest { session, event, op_id })))
            }
            Event::Compaction(event) => {
                let asked = asked("compaction");
                Box::pin(asked.answer(runtime.compaction(CompactionRequest { session, event, op_id })))
            }
            Event::End(event) => {
                let asked = asked("end");
                Box::pin(asked.answer(runtime.end_session(EndRequest { session, event, op_id })))
            }
        };
        self.pending.push_back(answer);
    }
}

/// What an answer repeats of its request.
struct PendingRequest {
    op: &'static str,
    op_id: Option<Arc<str>>,
    line: u64,
    /// What the reader left out of it.
    dropped: Vec<String>,
}

impl PendingRequest {
    async fn answer(mut self, answer: impl Future<Output = Result<Accepted, Refusal>>) -> Answer {
        match answer.await {
            Ok(accepted) => {
                self.dropped.extend_from_slice(&accepted.dropped);
                self.accepted(&accepted)
            }
            Err(refusal) => {
                let message = refusal.to_string();
                let (line, field, code) = (self.line, refusal.field(), refusal.code());
                let text = Output::Error(output::Error { line, field, code, message: &message }).line();
                Answer { line, kind: AnswerKind::Refused, text }
            }
        }
    }

    fn accepted(&self, accepted: &Accepted) -> Answer {
        let code = match accepted.how {
            Acceptance::DuplicateOp => Some("duplicate_op"),
            Acceptance::DuplicateEnd => Some("duplicate_end"),
            _ => None,
        };
        let updated = accepted.how == Acceptance::Updated;
        // An `op_id` is no remark: the owner that gave it knows its line.
        let plain = code.is_none() && !updated && self.dropped.is_empty();
        let text = Output::Accepted(output::Accepted {
            op: self.op,
            op_id: self.op_id.as_deref(),
            tenant: &accepted.identity.tenant,
            session: &accepted.identity.id,
            generation: accepted.generation,
            line: self.line,
            updated,
            code,
            dropped: &self.dropped,
        })
        .line();
        Answer {
            line: self.line,
            kind: if plain { AnswerKind::Accepted } else { AnswerKind::AcceptedWithRemark },
            text,
        }
    }
}
