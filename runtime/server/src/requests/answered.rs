//! An event that is handed to the runtime, and its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use lastword::events::Event;
use lastword::{Acceptance, Accepted, CompactionRequest, EndRequest, Refusal, Runtime, StartRequest};
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::OwnerEvent;
use lastword_protocol::output::{self, Output};

/// An event that the runtime has answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// `start`, `compaction` or `end`.
    pub op: &'static str,
    /// The owner's name for the event, which identifies a repeated line.
    pub op_id: Option<Arc<str>>,
    /// The fields of the event that were dropped, by its reader and by the runtime.
    pub dropped: Vec<String>,
    /// The runtime's answer.
    pub result: Result<Accepted, Refusal>,
}

type Asked = Pin<Box<dyn Future<Output = Result<Accepted, Refusal>> + Send>>;

/// Hands an event to the runtime. The event joins its session's order now. The future gives the runtime's answer.
pub fn ask(runtime: &Runtime, event: OwnerEvent) -> impl Future<Output = Answered> + Send + 'static + use<> {
    let OwnerEvent { op_id, may_be_duplicate, session, event, dropped } = event;
    let (op, named) = (op_of(&event), op_id.clone());
    let asked: Asked = match event {
        Event::Start(event) => {
            let mut request = StartRequest::new(session);
            (request.event, request.op_id) = (event, op_id);
            Box::pin(runtime.start_session(request))
        }
        Event::Compaction(event) => {
            let mut request = CompactionRequest::new(session, event.phase);
            (request.event, request.op_id) = (event, op_id);
            Box::pin(runtime.compaction(request))
        }
        Event::End(event) => {
            let mut request = EndRequest::of(session, event);
            (request.op_id, request.may_be_duplicate) = (op_id, may_be_duplicate);
            Box::pin(runtime.end_session(request))
        }
    };
    async move {
        let result = asked.await;
        let mut dropped = dropped;
        if let Ok(accepted) = &result {
            dropped.extend_from_slice(&accepted.dropped);
        }
        Answered { op, op_id: named, dropped, result }
    }
}

/// Returns the word for an event: `start`, `compaction` or `end`.
pub(crate) fn op_of(event: &Event) -> &'static str {
    match event {
        Event::Start(_) => "start",
        Event::Compaction(_) => "compaction",
        Event::End(_) => "end",
    }
}

/// Returns the request that [`ask`] makes of an end.
pub(crate) fn end_request(event: &OwnerEvent) -> Option<EndRequest> {
    let Event::End(end) = &event.event else { return None };
    let mut request = EndRequest::of(event.session.clone(), end.clone());
    (request.op_id, request.may_be_duplicate) = (event.op_id.clone(), event.may_be_duplicate);
    Some(request)
}

impl Answered {
    /// Returns why the event was acknowledged without effect.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self.result.as_ref().ok()?.how {
            Acceptance::DuplicateOp => Some("duplicate_op"),
            Acceptance::DuplicateEnd => Some("duplicate_end"),
            _ => None,
        }
    }

    /// Whether the answer says only that the event is accepted.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let updated = matches!(&self.result, Ok(accepted) if accepted.how == Acceptance::Updated);
        self.result.is_ok() && !updated && self.code().is_none() && self.dropped.is_empty()
    }

    /// Returns the answer line for the owner's line of this number.
    #[must_use]
    pub fn line(&self, line: u64) -> Vec<u8> {
        let accepted = match &self.result {
            Ok(accepted) => accepted,
            Err(refusal) => {
                let message = refusal.to_string();
                let (field, code) = (refusal.field(), refusal.code());
                return Output::Error(output::Error { line, field, code, message: &message }).line();
            }
        };
        Output::Accepted(output::Accepted {
            op: self.op,
            op_id: self.op_id.as_deref(),
            tenant: &accepted.identity.tenant,
            session: &accepted.identity.id,
            generation: accepted.generation,
            line,
            updated: accepted.how == Acceptance::Updated,
            code: self.code(),
            dropped: &self.dropped,
        })
        .line()
    }
}

/// Returns the answer line for a line that cannot be carried out.
#[must_use]
pub fn refused_line(line: u64, bad: &BadLine) -> Vec<u8> {
    Output::Error(output::Error::new(line, bad)).line()
}
