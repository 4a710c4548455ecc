//! For tests: a journal whose disk does what a test says, and the contract that any journal has to keep.
//!
//! With the feature `test-util`. [`FaultyJournal`] keeps what it is asked to write as a [`Command`] until a test says what becomes of
//! it. [`journal_conformance`] checks a journal of your own.

mod command;
mod conformance;
mod faulty_journal;

pub use self::command::{Command, disk_is_full};
pub use self::conformance::{BrokenRule, BrokenRules, conformance_rules, journal_conformance};
pub use self::faulty_journal::FaultyJournal;
