//! Which fields of a session and its end an owner has reported.

use std::hash::{DefaultHasher, Hash, Hasher};

use lastword_events::{EndReason, Identity, Session, SessionEnd};

/// The fields that an end had, or that were known before. They show whether a duplicate end knows more. The set is small, because there may
/// be tens of thousands of them. Attributes share some bits, so a new attribute may go unnoticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportedFields(u64);

/// The names in the order of their bits. The last name has all bits that are left.
const NAMES: [&str; 11] = [
    "reason",
    "message_count",
    "duration_ms",
    "next_session_id",
    "next_session_key",
    "session.key",
    "session.agent_id",
    "session.cwd",
    "session.transcript",
    "session.started_at",
    "attributes",
];
const FIRST_ATTRIBUTE_BIT: u32 = 10;
/// This bit is no field: the end did not say its session's scope.
const WITHOUT_SCOPE: u64 = 1 << (u64::BITS - 1);

impl ReportedFields {
    pub(crate) fn by(session: &Session, end: &SessionEnd) -> Self {
        let said = [
            end.reason != EndReason::Unknown,
            end.message_count.is_some(),
            end.duration_ms.is_some(),
            end.next_session_id.is_some(),
            end.next_session_key.is_some(),
            session.key.is_some(),
            session.agent_id.is_some(),
            session.cwd.is_some(),
            session.transcript.is_some(),
            session.started_at.is_some(),
        ];
        let fields = (0..).zip(said).map(|(bit, said)| u64::from(said) << bit);
        let attributes = session.attributes.iter().chain(&end.attributes).map(|(name, _)| attribute(name));
        Self(fields.chain(attributes).fold(0, |all, one| all | one))
    }

    /// Notes whether the end had a scope. `identity` is the one that the end said.
    pub(crate) fn with_scope_of(self, identity: &Identity) -> Self {
        if identity.scope.is_empty() { Self(self.0 | WITHOUT_SCOPE) } else { self }
    }

    /// Whether the end had no scope.
    pub(crate) fn has_no_scope(self) -> bool {
        self.0 & WITHOUT_SCOPE != 0
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.0 |= more.0;
    }

    /// The names of the fields that are not in `known`.
    pub(crate) fn beyond(self, known: Self) -> Vec<&'static str> {
        let new = self.0 & !known.0 & !WITHOUT_SCOPE;
        let is_new = |bit: u32| if bit == FIRST_ATTRIBUTE_BIT { new >> bit != 0 } else { new >> bit & 1 == 1 };
        (0..).zip(NAMES).filter(|(bit, _)| is_new(*bit)).map(|(_, name)| name).collect()
    }
}

fn attribute(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let bits = u64::BITS - 1 - FIRST_ATTRIBUTE_BIT;
    1 << (u64::from(FIRST_ATTRIBUTE_BIT) + hasher.finish() % u64::from(bits))
}
