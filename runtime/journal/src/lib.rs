//! The durable record of sessions and deliveries: what is written down here is never lost.
//!
//! [`Journal`] is the trait, [`SqliteJournal`] the implementation on disk, [`MemoryJournal`] the one that lives as long as
//! the process. A journal stores and numbers; it decides nothing. Which plugin is owed an event, when to try again and when to give up is
//! `lastword`'s business.
//!
//! ```
//! use std::sync::Arc;
//! use lastword_events::{Event, Session, SessionStart};
//! use lastword_journal::{Journal, MemoryJournal, JournalOp, Appended};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), lastword_journal::JournalError> {
//! let journal = MemoryJournal::new();
//! let session = Arc::new(Session::new("acme", "s1"));
//! let event = Arc::new(Event::Start(SessionStart::default()));
//! let written = journal.append(JournalOp::Start { session, event, owed: vec![], op_id: None }).await?;
//! let Appended::Session { sequence: 1, session } = written else { panic!("a new session") };
//! assert_eq!(session.generation, 1);
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: a queue. The order of attempts, and the time of the next one, is kept by whoever makes them.

mod calls;
mod error;
mod generations;
mod key_value;
mod limits;
mod memory;
mod pending;
mod record;
mod recovered;
mod sqlite;
mod store;
mod tables;
mod transition;

pub use calls::CallMark;
pub use error::JournalError;
pub use key_value::{KeyValueChanges, KeyValueConflict, RefusedCompletion, Space, StagedCompletions};
pub use limits::{MAX_QUEUED_WRITES, RETAINED_SET_ASIDE};
pub use memory::MemoryJournal;
pub use pending::{Pending, Reply};
pub use record::{Appended, Completion, DeliveryKey, JournalOp, Receipt, Settlement};
pub use recovered::{DrainedEnd, PendingDelivery, RecentEnd, Recovered, RecoveredSession};
pub use sqlite::{Changed, DeliveryRow, DeliveryState, Erased, Erasure, JournalFile, SessionRow};
pub use sqlite::{OpenError, RETAINED_FOR, SCHEMA_VERSION, SqliteJournal, unfinished_beside};
pub use sqlite::{SetAsideRow, Unfinished, Whose};

use std::sync::Arc;
use std::time::Duration;

use lastword_events::{Hook, Identity, JournalName};

/// Ended sessions that are remembered, the newest ones: an operator looks back. About 200 bytes each in memory and 500 in a
/// file. The generations of the others' ids go on all the same.
pub const RETAINED_ENDED_SESSIONS: usize = 100_000;
/// How long after an end that an owner has told of the same end may be told again. Owners repeat one within milliseconds
/// (Gemini CLI three times within 60), and a person needs longer to go on with a session and end it.
pub const REPEATED_WITHIN: Duration = Duration::from_secs(10);
/// Ends that are remembered for [`REPEATED_WITHIN`], the newest ones: 200 bytes each in memory and 40 in a file. The repetition
/// of one that is forgotten is a new session's end, and is delivered.
pub const RETAINED_RECENT_ENDS: usize = 65_536;
/// `op_id`s that are remembered, the newest ones. A line is sent again within seconds, not after 100 000 others.
pub const RETAINED_OP_IDS: usize = 100_000;

/// What a program of ours counts to at most, of runs, attempts, failures and the like: half of what the type has, so that
/// some of them together do not overflow. One attempt a millisecond would need 24 days to come so far.
pub(crate) const MAX_COUNT: u32 = u32::MAX / 2;

/// Tenants of whose forgotten sessions the highest generation is kept by itself: about 100 bytes each in memory and 30 in a
/// file. Of the tenants beyond it the highest of all is kept.
pub const RETAINED_GENERATION_COUNTS: usize = 65_536;
/// Dead deliveries that a journal in memory remembers, the newest ones, by name only: up to 200 bytes each, 2 MB together. A
/// plugin that gives everything up would fill the memory otherwise, and nobody can give them another chance there.
pub const RETAINED_DEAD_DELIVERIES: usize = 10_000;

/// Whether what a journal holds outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Gone with the process: what is owed at the end is lost.
    Memory,
    /// On disk: what is owed at the end is delivered after the next start.
    Disk,
}

/// The durable record. Writes take effect in the order in which the functions are called, and each says when it is
/// durable; a caller that does not wait gets the order all the same. Only outcomes may be later than what follows them, see
/// [`complete`](Self::complete).
///
/// No function but [`recover`](Self::recover) may block, and those that read key-values only as long as a local disk
/// takes: they are called by workers between two calls, and while a signal is being served. What cannot be written now
/// is queued, or refused.
///
/// What a guest changed is read back as of the last completion that was *handed over*, durable or not: a journal with a
/// queue looks there first. So a completion that cannot be made durable now is kept, in its place, until it can: the values
/// of those behind it that change the same space were made of its values.
pub trait Journal: Send + Sync + 'static {
    /// The random part of this journal's delivery ids.
    fn name(&self) -> JournalName;

    /// Whether it outlives the process.
    fn durability(&self) -> Durability;

    /// Reads what dead runs left behind and begins a new run. Called once, before anything is written.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn recover(&self) -> Result<Recovered, JournalError>;

    /// Records an event, and answers once it is durable.
    ///
    /// Every write with an `op_id` is first compared with those of the same kind and session: a known one gives
    /// [`Appended::DuplicateOp`] and changes nothing. A note of an active session is of the same kind as a start.
    fn append(&self, op: JournalOp) -> Pending<Appended>;

    /// Records what the runtime itself decided or found, in this order: never refused because others wait, and tried again
    /// for as long as it cannot be written.
    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()>;

    /// The generation that the first line of this kind and session with `op_id` spoke of, if there was one, as of the last
    /// write that was answered: the requests of one session follow each other, so a line that is sent again finds the first
    /// one. Without a scope in `identity` it may be of any session of the id: a line that does not say it may have been one of a
    /// session that has one.
    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32>;

    /// Records how attempts of one tenant ended, as one group: all of it is durable, or none. It is not answered with an error as
    /// long as it may still become durable.
    ///
    /// Those of one tenant are recorded in their order, and after everything that was written or recorded before them. A journal
    /// with a queue may record other tenants' outcomes, and what is written later, before these: whose plugins have much to
    /// write waits for itself.
    ///
    /// What a guest has [changed](Completion::changes) becomes values before this returns, in the order of the completions and
    /// of the calls. A completion whose changes are not possible any more is refused, and it alone.
    ///
    /// An end that a drain made is recorded by its first completion alone, with the reason and time of the run's
    /// [`JournalOp::Draining`]: a drain has no time to write each session before it begins to work.
    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions;

    /// Says that a call of this delivery begins, until the mark is dropped. What is marked when the process dies is suspect:
    /// a journal that outlives it says so to a later run. None where that is not kept.
    fn mark_call(&self, _delivery: &DeliveryKey) -> Option<CallMark> {
        None
    }

    /// The run ends by itself: calls that are marked and do not come back have not ended it.
    fn leave(&self) {}

    /// Answers when everything that was written before is durable; with an error if it cannot be now. What was refused has
    /// been answered with that, and what failed for a while and was written after all is durable.
    fn flush(&self) -> Pending<()>;

    /// How many things of this run could not be recorded by themselves, while everything else could: each was set aside, and
    /// logged as a defect. What was owed of them is owed as before. None where nothing can fail so.
    fn set_aside(&self) -> u64 {
        0
    }

    /// The value of `key` in a plugin's space, as of the last completion handed over.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError>;

    /// How long the value of `key` is, in bytes: a journal need not read it for that.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        Ok(self.key_value(space, key)?.map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)))
    }

    /// The first `limit` keys of a plugin's space that sort after `after`, sorted by their bytes, as of the last completion
    /// handed over.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError>;

    /// The size of a plugin's space in bytes, see [`key_value_bytes`](lastword_events::key_value_bytes). Asked for often: a journal keeps count.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError>;

    /// The size of all spaces of a tenant in bytes. Asked for often: a journal keeps count.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError>;
}
