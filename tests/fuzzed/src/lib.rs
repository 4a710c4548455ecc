//! What holds for any bytes: properties that the fuzzer looks for exceptions to (`fuzz/`), and that the tests check of the
//! inputs that it has found and keeps (`fuzz/corpus/`).
//!
//! Each takes any input, and panics when its property does not hold. None of them knows wasmtime, which would take minutes to
//! compile for the fuzzer.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a property that does not hold panics: so the fuzzer is told")]

mod configuration;
mod journal_rows;
mod lines;
mod transcript_uris;

pub use configuration::configuration;
pub use journal_rows::journal_rows;
pub use lines::lines;
pub use transcript_uris::transcript_uris;
