//! The state of a journal, and its transitions: for implementors of journals.
//!
//! A program that only uses a journal does not need this module. An implementor can do without it as well, but then has to find out again
//! what each [`JournalOp`](crate::JournalOp) and each [`Completion`](crate::Completion) changes. It is decided here once, so that a journal
//! in memory and one in a file cannot differ:
//!
//! - [`apply`] and [`complete`] are the transitions. They read and write rows through [`Tables`], a small trait: maps in memory,
//!   SQL in a file. [`MemoryTables`] are the maps, and can be written as rows and restored from them. [`change_delivery`] makes operators' changes, and [`page()`] lists deliveries for operators.
//! - [`Store`] has what plugins have stored. It resolves the changes of a call to values, and checks quotas. What is not committed
//!   yet it keeps as an overlay over what is committed, which it reads through [`Committed`].
//! - [`ForgottenGenerations`] says from which generation a forgotten session id continues.
//! - [`CleanRuns`] says how many attempts may have been made that are not on record.
//!
//! The module is public because the journal on disk is a crate of its own, the only one that knows SQL. The module is no part of what
//! Lastword promises to embedders, and changes with the journals.

mod change;
mod clean_runs;
mod generations;
mod memory_tables;
mod name;
mod page;
mod store;
mod tables;
mod transition;

pub use self::change::change_delivery;
pub use self::clean_runs::CleanRuns;
pub use self::generations::{ForgottenGenerations, KeptFor};
pub use self::memory_tables::{MemoryTables, TableRow};
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
