//! What a journal's state is, and what becomes of it: for implementors of journals.
//!
//! Whoever only uses a journal needs nothing of this. Whoever writes one can do without it as well, but then has to find out
//! again what each [`JournalOp`](crate::JournalOp) and each [`Completion`](crate::Completion) changes. It is decided here
//! once, so that a journal in memory and one in a file cannot differ:
//!
//! - [`apply`] and [`complete`] are the transition. They read and write rows through [`Tables`], a small trait: maps in memory,
//!   SQL in a file. [`change_delivery`] is what operators change, and [`page()`] what they see.
//! - [`Store`] has what plugins have stored. It resolves the changes of a call to values, checks quotas, and keeps what is not
//!   committed yet as an overlay over what is, which it reads through [`Committed`].
//! - [`ForgottenGenerations`] says which generation a forgotten session id continues from.
//! - [`CleanRuns`] says how many attempts may have been made that are not on record.
//!
//! It is public because the journal on disk is a crate of its own, the only one that knows SQL. It is no part of what
//! Lastword promises to embedders, and changes with the journals.

mod change;
mod clean_runs;
mod generations;
mod name;
mod page;
mod store;
mod tables;
mod transition;

pub use self::change::change_delivery;
pub use self::clean_runs::CleanRuns;
pub use self::generations::{ForgottenGenerations, KeptFor};
pub use self::name::random_name;
pub use self::page::{LookedAt, last_end_of, page};
pub use self::store::{Committed, NothingCommitted, Resolved, Staged, StagedWrite, Store};
pub use self::tables::{
    Attempts, DrainedRow, DrainedState, EndedSession, Failure, Installed, NewSession, RecordedEvent, Tables, Unmade,
    serving,
};
pub use self::transition::{apply, complete};
pub use crate::call_mark::CallMarks;
pub use crate::limits::{MAX_COUNT, ROW_BYTES};
