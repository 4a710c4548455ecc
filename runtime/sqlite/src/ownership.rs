//! Whose a file is, and that nobody else has it: from a path to a file that is ours alone.
//!
//! [`found`] looks at what is there and changes nothing, [`decision`] says what is to be done about it, and [`claim`] does it.

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
