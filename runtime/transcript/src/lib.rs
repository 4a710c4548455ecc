//! Gives one call of a sandboxed guest a session's transcript: a private copy of one file, gone with the call.
//!
//! The operator grants a plugin a [`Root`]; an owner names the file, and its word is not trusted: the path may try to
//! reach another tenant's transcript, or `/etc/shadow`. So a file is copied if, and only if,
//!
//! - its uri is an absolute path, or a `file:` uri of this machine, without `.` and `..`, that begins with the root;
//! - no name in it, from `{tenant}` on or below a root without `{tenant}`, is a symbolic link: the path is opened name by
//!   name, so a link that is swapped in meanwhile is refused like any other;
//! - what was opened (not what was looked at before) is a regular file with one name. A second hard link would let who
//!   may write below one root get a file of another. Owners archive transcripts by renaming them, so honest ones
//!   have one name; a file that some backup tool hard-links is refused, by name, in the log.
//!
//! Copied are at most as many bytes as the grant says, in chunks, until the caller's flag says that the call is over.
//!
//! What it is not for: it knows no WebAssembly (the sandbox shows [`TranscriptCopy::dir`] to the guest), it does not wait for a
//! disk that hangs in a system call better than any other program, and it does not tell tenants apart that can write to
//! each other's directories, or whose root is shared.
//!
//! ```
//! use std::fs;
//! use std::sync::atomic::AtomicBool;
//! use lastword_transcript::{TranscriptError, Root, Scratch, copy_transcript};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! # let (agents, run) = (home.path().join("agents"), home.path().join("run"));
//! # fs::create_dir_all(agents.join("acme"))?;
//! # fs::create_dir(&run)?;
//! // Once: what the operator wrote, and where copies are made.
//! let root: Root = format!("{}/{{tenant}}", agents.display()).parse()?;
//! let scratch = Scratch::open(&run)?;
//!
//! // For each call: what the owner said of the session.
//! fs::write(agents.join("acme/s1.jsonl"), "hello\n")?;
//! let uri = format!("{}/acme/s1.jsonl", agents.display());
//! let call_is_over = AtomicBool::new(false);
//! let copy = copy_transcript(&scratch, &root.for_tenant("acme")?, &uri, 16 << 20, &call_is_over)?;
//! assert_eq!(fs::read_to_string(copy.dir().join("transcript"))?, "hello\n");
//!
//! // Another tenant's owner cannot have it.
//! let refused = copy_transcript(&scratch, &root.for_tenant("evil")?, &uri, 16 << 20, &call_is_over);
//! assert!(matches!(refused, Err(TranscriptError::OutsideRoot)));
//!
//! drop((copy, scratch));
//! assert_eq!(fs::read_dir(&run)?.count(), 0);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod copy;
mod error;
mod layout;
pub mod limits;
mod root;
mod scratch;
mod sweep;
mod transcript_copy;
mod uri;
mod walk;

pub use error::{BadRoot, Kind, TranscriptError};
pub use layout::TRANSCRIPT;
pub use root::{Root, TenantRoot};
pub use scratch::Scratch;
pub use transcript_copy::{TranscriptCopy, copy_transcript};
