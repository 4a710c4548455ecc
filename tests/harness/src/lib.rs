//! What the tests of the whole runtime share: a [`Harness`], which is a runtime with plugins and the outcomes that it told of, and
//! what guests print ([`printed`]).
//!
//! The tests of the program have a harness of their own, `runtime/cli/tests/program/support`: there the runtime is in another
//! process.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod builder;
mod burn;
mod guest_output;
mod harness;
pub mod machine;
mod outcomes;
mod store;

pub use builder::HarnessBuilder;
pub use burn::burn;
pub use guest_output::{printed, spans_of_printed};
pub use harness::Harness;
pub use outcomes::ObservedOutcome;
pub use store::Store;

/// Longer than any test.
pub const NEVER: std::time::Duration = std::time::Duration::from_secs(3600);
