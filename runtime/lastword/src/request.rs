//! What an owner asks for, and what it is answered.

use std::sync::Arc;
use std::time::Instant;

use lastword_events::limits::MAX_OP_ID_BYTES;
use lastword_events::{
    CompactionPhase, EndReason, FieldError, Identity, Session, SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{JournalError, Receipt};
use thiserror::Error;

use crate::quota::QuotaKind;
use crate::reported_fields::ReportedFields;
use crate::sync::now;

/// A session began, or more became known of one that is active.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// The session; its generation is ignored.
    pub session: Session,
    /// How it began.
    pub event: SessionStart,
    /// The owner's name for this request: the same one again does nothing.
    pub op_id: Option<Arc<str>>,
}

/// A session ended.
#[derive(Clone, Debug)]
pub struct EndRequest {
    /// The session; what it knows is merged into what its start said.
    pub session: Session,
    /// How it ended.
    pub event: SessionEnd,
    /// The owner's name for this request: the same one again does nothing.
    pub op_id: Option<Arc<str>>,
}

/// A session is about to be compacted, or was.
#[derive(Clone, Debug)]
pub struct CompactionRequest {
    /// The session; only its identity counts, unless nobody had started it.
    pub session: Session,
    /// What is known of the compaction.
    pub event: SessionCompaction,
    /// The owner's name for this request: the same one again does nothing.
    pub op_id: Option<Arc<str>>,
}

impl StartRequest {
    /// The start of `session`.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session, event: SessionStart::default(), op_id: None }
    }

    pub(crate) fn validate(&self) -> Result<(), FieldError> {
        self.session.validate()?;
        self.event.validate()?;
        check_op_id(self.op_id.as_deref())
    }
}

impl EndRequest {
    /// The end of `session`, now.
    #[must_use]
    pub fn new(session: Session, reason: EndReason) -> Self {
        Self { session, event: SessionEnd::new(reason, Timestamp::now()), op_id: None }
    }

    /// Makes it fit, and says what was left out; only what cannot name a session is refused.
    pub(crate) fn fit(&mut self) -> Result<Vec<String>, FieldError> {
        let mut dropped = self.session.fit();
        self.session.identity.validate()?;
        dropped.append(&mut self.event.fit());
        if check_op_id(self.op_id.as_deref()).is_err() {
            self.op_id = None;
            dropped.push("op_id".to_owned());
        }
        Ok(dropped)
    }
}

/// An end as it was handed to the runtime.
#[derive(Debug)]
pub(crate) struct ReceivedEnd {
    pub(crate) request: EndRequest,
    pub(crate) at: Instant,
    /// When it came, by the wall clock.
    pub(crate) clock: Timestamp,
}

impl ReceivedEnd {
    /// What a journal keeps of it.
    pub(crate) fn receipt(&self, reported: ReportedFields) -> Receipt {
        Receipt { at: self.clock, said: reported.bits() }
    }
}

impl From<EndRequest> for ReceivedEnd {
    fn from(request: EndRequest) -> Self {
        Self { request, at: now(), clock: Timestamp::now() }
    }
}

impl CompactionRequest {
    /// A compaction of `session` of which only the phase is known.
    #[must_use]
    pub fn new(session: Session, phase: CompactionPhase) -> Self {
        Self { session, event: SessionCompaction::new(phase), op_id: None }
    }

    pub(crate) fn validate(&self) -> Result<(), FieldError> {
        self.session.validate()?;
        self.event.validate()?;
        check_op_id(self.op_id.as_deref())
    }
}

fn check_op_id(op_id: Option<&str>) -> Result<(), FieldError> {
    match op_id {
        Some(op_id) if op_id.is_empty() || op_id.len() > MAX_OP_ID_BYTES => {
            Err(FieldError::new("op_id", "bad_op_id", format!("op_id must have 1 to {MAX_OP_ID_BYTES} bytes")))
        }
        _ => Ok(()),
    }
}

/// A request that is carried out: what it says is in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The session.
    pub identity: Identity,
    /// Which run of the id.
    pub generation: u32,
    /// What was made of it.
    pub how: Acceptance,
    /// What an end lost so that it fits the limits, and what was missing so that the session had to be guessed.
    pub dropped: Vec<String>,
}

impl Accepted {
    /// Nothing of it was left out.
    pub(crate) fn new(identity: Identity, generation: u32, how: Acceptance) -> Self {
        Self { identity, generation, how, dropped: Vec::new() }
    }
}

/// What was made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acceptance {
    /// It is recorded, and the plugins are told.
    Registered,
    /// The session was active already: what is newer was kept, and nobody is told.
    Updated,
    /// Nobody had started the session: a new generation was recorded for it.
    Implied,
    /// Its `op_id` was seen before; nothing was done.
    DuplicateOp,
    /// The end was told within the last seconds, and nothing was heard of the session since; or a drain is ending it.
    /// Nothing was done.
    DuplicateEnd,
}

/// A request that is not carried out. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A drain has begun, and nothing new may start.
    #[error("the sessions are being drained: nothing new can start here; start it at the next run")]
    Draining,
    /// The tenant has used up a quota. An end is never refused for that.
    #[error(
        "the tenant may have {limit} {what}, and has them (quota {}): {}, or raise the quota, and start it again",
        .what.as_str(), .what.remedy()
    )]
    Quota {
        /// The quota.
        what: QuotaKind,
        /// How many the tenant may have.
        limit: u64,
    },
    /// A field is missing, empty or too long.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// It could not be written down, and what is not written down is not accepted.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Refusal {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Quota { .. } => "quota",
            Self::Field(error) => error.code,
            Self::Journal(_) => "journal",
        }
    }

    /// The field that is wrong, if it is a field.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Field(error) => Some(&error.field),
            _ => None,
        }
    }
}
