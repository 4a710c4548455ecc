//! Examples in other languages, which only `cargo xtask test --all` builds.

mod exceptions;
mod transcripts;
