//! The requests of owners, and their answers.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use lastword_events::limits::MAX_OP_ID_BYTES;
use lastword_events::{
    CompactionPhase, DeliveryId, EndReason, FieldError, Identity, Session, SessionCompaction, SessionEnd, SessionStart,
    Timestamp,
};
use lastword_journal::{JournalError, JournalErrorKind, Receipt};
use thiserror::Error;

use crate::quota::QuotaKind;
use crate::reported_fields::ReportedFields;
use crate::time::Time;

/// A session began, or more became known of one that is active.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartRequest {
    /// The session. Its generation is ignored.
    pub session: Session,
    /// How the session began.
    pub event: SessionStart,
    /// The owner's name for this request. A request with the `op_id` of an earlier one, for the same session and event, changes nothing.
    pub op_id: Option<Arc<str>>,
}

/// A session ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndRequest {
    /// The session. What it says is merged into what the session's start said.
    pub session: Session,
    /// How the session ended.
    pub event: SessionEnd,
    /// The owner's name for this request. A request with the `op_id` of an earlier one, for the same session and event, changes nothing.
    pub op_id: Option<Arc<str>>,
    /// Whether the `op_id` was given by whoever hands the end over, and not by the owner: the owner may tell the same end again, and it has
    /// another `op_id` then. Otherwise an end with another `op_id` is another end.
    pub may_be_duplicate: bool,
}

/// A session is about to be compacted, or was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompactionRequest {
    /// The session. Only its identity counts, unless nobody had started it.
    pub session: Session,
    /// What is known of the compaction.
    pub event: SessionCompaction,
    /// The owner's name for this request. A request with the `op_id` of an earlier one, for the same session and event, changes nothing.
    pub op_id: Option<Arc<str>>,
}

impl StartRequest {
    /// The start of `session`.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session, event: SessionStart::default(), op_id: None }
    }

    /// Gives the request the owner's name for it, see [`op_id`](Self::op_id).
    #[must_use]
    pub fn with_op_id(self, op_id: impl Into<Arc<str>>) -> Self {
        Self { op_id: Some(op_id.into()), ..self }
    }

    pub(crate) fn validate(&self) -> Result<(), FieldError> {
        self.session.validate()?;
        self.event.validate()?;
        check_op_id(self.op_id.as_deref())
    }

    /// Gives both requests of a replacement the one `op_id` that at least one of them has.
    pub(crate) fn share_op_id(&mut self, end: &mut EndRequest) -> Result<(), FieldError> {
        match (&end.op_id, &self.op_id) {
            (Some(of_end), Some(of_start)) if of_end != of_start => {
                let message =
                    "the two requests of a replacement have one op_id: give it to one of them, or the same to both";
                Err(FieldError::new("op_id", "bad_op_id", message.to_owned()))
            }
            (Some(of_end), _) => {
                self.op_id = Some(of_end.clone());
                Ok(())
            }
            (None, of_start) => {
                end.op_id.clone_from(of_start);
                Ok(())
            }
        }
    }
}

impl EndRequest {
    /// The end of `session`, with the present moment as the time of the end.
    #[must_use]
    pub fn new(session: Session, reason: EndReason) -> Self {
        Self::of(session, SessionEnd::new(reason, Timestamp::now()))
    }

    /// The end of `session`, with all that is known of the end.
    #[must_use]
    pub fn of(session: Session, event: SessionEnd) -> Self {
        Self { session, event, op_id: None, may_be_duplicate: false }
    }

    /// Gives the request the owner's name for it, see [`op_id`](Self::op_id).
    #[must_use]
    pub fn with_op_id(self, op_id: impl Into<Arc<str>>) -> Self {
        Self { op_id: Some(op_id.into()), ..self }
    }

    /// Shortens the request until it fits the limits, and gives the names of the dropped fields. Only an identity that cannot name a
    /// session is refused.
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

/// An end, as the runtime received it.
#[derive(Debug)]
pub(crate) struct ReceivedEnd {
    pub(crate) request: EndRequest,
    /// When the end was received.
    pub(crate) received_at: Instant,
    /// When the end was received, by the wall clock.
    pub(crate) received_wall: Timestamp,
}

impl ReceivedEnd {
    /// An end that is received now.
    pub(crate) fn new(request: EndRequest, time: &Time) -> Self {
        Self { request, received_at: time.now(), received_wall: time.timestamp() }
    }

    /// What a journal keeps of the end for as long as the end may have a duplicate.
    pub(crate) fn receipt(&self, reported: ReportedFields) -> Receipt {
        Receipt { at: self.received_wall, said: reported.bits() }
    }
}

impl CompactionRequest {
    /// A compaction of `session` of which only the phase is known.
    #[must_use]
    pub fn new(session: Session, phase: CompactionPhase) -> Self {
        Self { session, event: SessionCompaction::new(phase), op_id: None }
    }

    /// Gives the request the owner's name for it, see [`op_id`](Self::op_id).
    #[must_use]
    pub fn with_op_id(self, op_id: impl Into<Arc<str>>) -> Self {
        Self { op_id: Some(op_id.into()), ..self }
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

/// The answer to a request that is carried out: the journal has what the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Accepted {
    /// The session. In JSON the fields `tenant`, `id` and, if there is one, `scope`.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub identity: Identity,
    /// The number of this session among the sessions with this identity, from 1.
    pub generation: u32,
    /// What the runtime has made of the request.
    pub how: Acceptance,
    /// The fields of an end that were dropped so that it fits the limits. If the session had to be guessed, also a note on what was
    /// missing.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub dropped: Vec<String>,
    /// The deliveries that are owed for the request, one for each plugin that is to be told, in the order of the configuration. There are
    /// none for an update, for a duplicate, or if no plugin has the hook. [`Runtime::settled_of`](crate::Runtime::settled_of) waits for
    /// one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub deliveries: Vec<DeliveryId>,
}

impl Accepted {
    /// An answer without dropped fields and without deliveries.
    pub(crate) fn new(identity: Identity, generation: u32, how: Acceptance) -> Self {
        Self { identity, generation, how, dropped: Vec::new(), deliveries: Vec::new() }
    }

    /// The answer with these owed deliveries.
    pub(crate) fn with(self, deliveries: Vec<DeliveryId>) -> Self {
        Self { deliveries, ..self }
    }
}

/// The answer that the owner of a request gets.
pub(crate) type RequestResult = Result<Accepted, Refusal>;

/// What the runtime has made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Acceptance {
    /// The event is recorded, and the plugins are told of it.
    Registered,
    /// The session was active already. What the request says that is newer was kept, and nobody is told.
    Updated,
    /// Nobody had started the session. A new generation of it was recorded.
    Implied,
    /// The `op_id` was seen before. Nothing was done.
    DuplicateOp,
    /// The same end was told within the last seconds, and nothing was heard of the session since; or a drain is ending the session. Nothing
    /// was done.
    DuplicateEnd,
}

impl Acceptance {
    /// `registered`, `updated`, `implied`, `duplicate_op` or `duplicate_end`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Updated => "updated",
            Self::Implied => "implied",
            Self::DuplicateOp => "duplicate_op",
            Self::DuplicateEnd => "duplicate_end",
        }
    }
}

impl fmt::Display for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that is not carried out. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A drain has begun, and no session may start.
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
    /// The request could not be written down. Only what is written down is accepted.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Refusal {
    /// The kind of the journal's trouble, if the journal is the cause.
    #[must_use]
    pub fn journal_error(&self) -> Option<JournalErrorKind> {
        match self {
            Self::Journal(error) => Some(error.kind()),
            _ => None,
        }
    }

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

    /// The field that is wrong, if a field is.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Field(error) => Some(&error.field),
            _ => None,
        }
    }
}

/// In JSON `code` and `message`, for a field also `field`, and for a quota also `quota` and `limit`. It is not read back.
#[cfg(feature = "serde")]
impl serde::Serialize for Refusal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Fields<'a> {
            code: &'a str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            quota: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            limit: Option<u64>,
        }
        let (quota, limit) = match self {
            Self::Quota { what, limit } => (Some(what.as_str()), Some(*limit)),
            _ => (None, None),
        };
        let (code, message, field) = (self.code(), self.to_string(), self.field());
        Fields { code, message, field, quota, limit }.serialize(serializer)
    }
}

#[cfg(feature = "serde")]
#[cfg(test)]
mod tests {
    use serde_json::{from_str, json, to_value};

    use super::*;
    use crate::{RetryPolicy, TenantQuota};

    #[test]
    fn answers_are_json_with_the_words_of_stdio() {
        let mut accepted = Accepted::new(Identity::new("acme", "s1"), 2, Acceptance::DuplicateEnd);
        let written = json!({"tenant": "acme", "id": "s1", "generation": 2, "how": "duplicate_end"});
        assert_eq!(to_value(&accepted).unwrap(), written);
        accepted.dropped.push("op_id".to_owned());
        let written = to_value(&accepted).unwrap();
        assert_eq!(serde_json::from_value::<Accepted>(written).unwrap(), accepted);
        let quota = Refusal::Quota { what: QuotaKind::ActiveSessions, limit: 3 };
        let said = to_value(&quota).unwrap();
        assert_eq!(
            (&said["code"], &said["quota"], &said["limit"]),
            (&json!("quota"), &json!("active-sessions"), &json!(3))
        );
        assert_eq!(said["message"], quota.to_string());
        assert_eq!(to_value(Refusal::Draining).unwrap()["code"], "draining");
        for how in [
            Acceptance::Registered,
            Acceptance::Updated,
            Acceptance::Implied,
            Acceptance::DuplicateOp,
            Acceptance::DuplicateEnd,
        ] {
            assert_eq!(to_value(how).unwrap(), how.as_str());
        }
    }

    #[test]
    fn what_a_configuration_leaves_out_is_the_default_and_what_it_misspells_is_refused() {
        let policy: RetryPolicy = from_str(r#"{"first_ms": 250}"#).unwrap();
        assert_eq!(policy, RetryPolicy { first: std::time::Duration::from_millis(250), ..RetryPolicy::default() });
        assert_eq!(serde_json::from_value::<RetryPolicy>(to_value(policy).unwrap()).unwrap(), policy);
        let quota: TenantQuota = from_str(r#"{"active_sessions": 7}"#).unwrap();
        assert_eq!(quota, TenantQuota { active_sessions: Some(7), ..TenantQuota::default() });
        assert!(from_str::<TenantQuota>(r#"{"active_session": 7}"#).is_err());
        assert!(from_str::<RetryPolicy>(r#"{"first": 250}"#).is_err());
    }
}
