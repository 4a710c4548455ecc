//! Breaks the file layer under a program, for tests of what survives: on Linux, with a library for `LD_PRELOAD`.
//!
//! A [`Fault`] says which files, what happens to them and when, and is applied to a command. What changes these files
//! (write, pwrite, ftruncate, fsync, fdatasync) is numbered from 1 over all threads, in the order in which it happens.
//! So a first run counts, and then each number can be broken in a run of its own:
//!
//! ```no_run
//! use std::process::Command;
//! use lastword_faults::{Fault, Kind, operations};
//!
//! # fn program() -> Command { Command::new("true") }
//! # fn main() -> std::io::Result<()> {
//! # let (dir, at) = (std::path::Path::new("."), 1);
//! let mut whole = program();
//! Fault::none("journal.db").count(dir.join("count")).apply(&mut whole);
//! whole.status()?;
//! for at in 1..=operations(dir.join("count")) {
//!     let fault = Fault::at(at, Kind::Power, "journal.db").shadow(dir.join("disk"));
//!     let mut broken = program();
//!     fault.apply(&mut broken);
//!     broken.status()?;
//!     fault.cut_power(dir)?;
//!     // What must have survived?
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A program has a count of its own, and so has each that it starts, which inherits the fault: give them files of
//! different names where that matters. Seen is what goes through C's library by the names above, `open`, `openat`,
//! `close` and `unlink`: SQLite in every journal mode, but for its `-shm`, and plain writing with Rust's `std::fs`. Not
//! seen are descriptors that were duplicated, vectored writes, `rename`, and that a file is emptied as it is opened.
//!
//! Threads can be refused as well, by their number ([`Kind::NoThreadsFrom`]).
//!
//! Others who use it name it as a dev-dependency, and nothing more: the library is then built along.

#![forbid(unsafe_code)]

mod fault;
mod folder;
mod library;

pub use fault::{Fault, Kind, SLOW_SYNC, operations};
pub use folder::folder_in_memory;
pub use library::library;
