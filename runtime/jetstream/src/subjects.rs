//! The names of a journal's stream and of its subjects.

use std::fmt;

use lastword_events::JournalName;

/// The stream of one journal and its subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// The stream: `LW_J_<journal>` with the usual prefix.
    pub stream: String,
    /// The subject of fences: `LW.j.<journal>.fence`.
    pub fence: String,
    /// The subject of groups: `LW.j.<journal>.g`.
    pub groups: String,
    /// The subject of a snapshot's chunks: `LW.j.<journal>.s`.
    pub snapshots: String,
}

/// What a message of the stream is, by its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A fence: from it on, messages of an older epoch do not count.
    Fence,
    /// A group of records.
    Group,
    /// A chunk of a snapshot.
    Chunk,
}

impl Subjects {
    /// The names of a journal, with a prefix such as `LW`.
    #[must_use]
    pub fn new(prefix: &str, journal: JournalName) -> Self {
        Self {
            stream: format!("{prefix}_J_{journal}"),
            fence: format!("{prefix}.j.{journal}.fence"),
            groups: format!("{prefix}.j.{journal}.g"),
            snapshots: format!("{prefix}.j.{journal}.s"),
        }
    }

    /// The subject of messages of this kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &str {
        match kind {
            Kind::Fence => &self.fence,
            Kind::Group => &self.groups,
            Kind::Chunk => &self.snapshots,
        }
    }

    /// What a message on this subject is. None for a subject that is none of this journal's.
    #[must_use]
    pub fn kind(&self, subject: &str) -> Option<Kind> {
        [Kind::Fence, Kind::Group, Kind::Chunk].into_iter().find(|kind| self.of(*kind) == subject)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fence => "fence",
            Self::Group => "group",
            Self::Chunk => "snapshot chunk",
        })
    }
}
