//! Takes a journal's file from a path: checks that the file is ours, and that no other program has it.
//!
//! [`found`] looks at the files and changes nothing, [`decision`] decides what to do, and [`claim`] does it.

pub(crate) mod claim;
pub(crate) mod content;
mod decision;
mod files;
mod found;
pub(crate) mod lock;
mod log_page;
pub(crate) mod open_file;
pub(crate) mod replacement;

pub(crate) use self::files::{JournalFiles, TakenAway};
