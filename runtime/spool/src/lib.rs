//! A durable spool of hook events.
//!
//! A hook is a process that lives for milliseconds. If it cannot hand its event to a daemon, it writes the event here:
//! one file for each event, synced before the hook exits if the disk is fast enough. The daemon takes the files in, in
//! order, and removes each once its event is on record.
//!
//! ```
//! use lastword_spool::{Reader, Spool, SpooledEvent, Stamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let spool = Spool::at(directory.path().join("spool"));
//! let payload = br#"{"hook_event_name":"SessionEnd","session_id":"s"}"#;
//! spool.writer()?.write(&SpooledEvent::new("claude-code", &Stamp::now(), payload.to_vec()))?;
//!
//! let reader = Reader::begin(&spool)?;
//! for name in reader.list()? {
//!     if let Some(event) = reader.read(&name)? {
//!         // Put it on record, under its `op_id`, and only then:
//!         assert_eq!(event.payload, payload);
//!         reader.remove(&name)?;
//!     }
//! }
//! assert!(spool.is_empty()?);
//! # Ok(())
//! # }
//! ```
//!
//! # Files
//!
//! | where | what |
//! |---|---|
//! | `….event` | an event that waits. Its name says when it came, so names sort in order |
//! | `.….tmp` | an event that is being written |
//! | `damaged/` | files that could not be read; kept for people |
//! | `refused/` | events that no daemon takes, with the reason; kept for people |
//! | `reader.lock` | locked by the daemon that takes the spool in |
//!
//! Files have mode 0600, in directories of 0700, and contain nothing of a process's environment.
//!
//! # What it is not for
//!
//! The crate knows no sessions. Its caller interprets events, and detects duplicates.

#![forbid(unsafe_code)]

mod error;
mod event;
mod file;
mod format;
mod kept;
pub mod limits;
mod name;
mod private_directory;
mod reader;
mod spool;
mod stamp;
mod version;
mod writer;
mod written;

pub use error::SpoolError;
pub use event::SpooledEvent;
pub use kept::Kept;
pub use name::EventName;
pub use private_directory::{Loose, NotPrivate, open_private};
pub use reader::Reader;
pub use spool::Spool;
pub use stamp::Stamp;
pub use version::{is_newer_than_this, is_older_than_this};
pub use writer::Writer;
pub use written::Written;
