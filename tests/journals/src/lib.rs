//! Journals whose disk does what a test says. What they are asked to write is kept as a [`Command`] until somebody says what
//! becomes of it: for a [`HeldJournal`] that is the test, for the journal of `lastword-schedules` a thread under its scheduler.

#![forbid(unsafe_code)]

mod command;
mod held;

pub use command::{Command, disk_is_full};
pub use held::{HeldJournal, held};
