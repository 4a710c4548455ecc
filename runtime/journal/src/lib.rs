//! The durable record of sessions and deliveries: what is written down here is never lost.
//!
//! [`Journal`] is the trait and [`MemoryJournal`] the implementation that lives as long as the process. The one on disk is
//! the crate `lastword-sqlite`, and both are made of [`state`]. A journal stores and numbers; it decides nothing. Which
//! plugin is owed an event, when to try again and when to give up is `lastword`'s business.
//!
//! ```
//! use std::sync::Arc;
//! use lastword_events::{Event, Session, SessionStart};
//! use lastword_journal::{Appended, Journal, JournalOp, MemoryJournal};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), lastword_journal::JournalError> {
//! let journal = MemoryJournal::new();
//! let session = Arc::new(Session::new("acme", "s1"));
//! let event = Arc::new(Event::Start(SessionStart::default()));
//! let appended = journal.append(JournalOp::Start { session, event, owed: vec![], op_id: None }).await?;
//! let Appended::Session { sequence: 1, session } = appended else { panic!("a new session") };
//! assert_eq!(session.generation, 1);
//! # Ok(())
//! # }
//! ```
//!
//! A journal is no queue. The order of attempts, and the time of the next one, is kept by whoever makes the attempts.

#![forbid(unsafe_code)]

mod call_mark;
mod commit;
mod delivery;
mod delivery_change;
mod delivery_key;
mod delivery_page;
mod delivery_row;
mod error;
mod journal;
mod key_value;
mod limits;
mod memory;
mod operation;
mod pending;
mod recovered;
mod session_row;
pub mod state;
#[cfg(feature = "test-util")]
pub mod testing;

pub use call_mark::CallMark;
pub use commit::{Commit, CommitObserver};
pub use delivery::{Completion, RefusedCompletion, Settlement, StagedCompletions};
pub use delivery_change::{Changed, ChangedDelivery, DeliveryChange};
pub use delivery_key::DeliveryKey;
pub use delivery_page::{DeliveryFilter, DeliveryPage, LOOKED_AT_FOR_A_PAGE, MAX_PAGE_ROWS, PageRequest};
pub use delivery_row::{DeliveryRow, DeliveryState, ParseDeliveryStateError};
pub use error::{JournalError, JournalErrorKind};
pub use journal::{Durability, Journal};
pub use key_value::{KeyValueChanges, KeyValueConflict, Space};
pub use limits::{
    DUPLICATE_WITHIN, RETAINED_DEAD_DELIVERIES, RETAINED_ENDED_SESSIONS, RETAINED_GENERATION_COUNTS, RETAINED_OP_IDS,
    RETAINED_RECENT_ENDS,
};
pub use memory::MemoryJournal;
pub use operation::{Appended, CutCall, JournalOp, Receipt};
pub use pending::{Pending, Reply};
pub use recovered::{DrainedEnd, PendingDelivery, RecentEnd, Recovered, RecoveredSession, TriedEnd};
pub use session_row::SessionRow;
