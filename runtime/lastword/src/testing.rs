//! For the tests of a service that embeds the runtime. With the feature `test-util`.
//!
//! - [`Plugin::native`](crate::Plugin::native) is a plugin that is a function: no component has to be built and compiled.
//! - [`ManualClock`] stands still until the test advances it: retries, quotas and graces take no time.
//! - [`FaultyJournal`] is a journal whose disk is slow or full, or that loses answers.
//! - [`journal_conformance`] checks a journal of your own.
//! - [`OutcomeRecord::example`](crate::OutcomeRecord::example) and its like are values for tests of observers.
//!
//! ```
//! use std::time::Duration;
//! use lastword::events::{EndReason, FailureCause, Hook, Outcome, PluginName, Session};
//! use lastword::testing::ManualClock;
//! use lastword::{EndRequest, Plugin, Runtime, Tenants};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let busy_at_first = Plugin::native(PluginName::new("memory")?, [Hook::SessionEnd].into_iter().collect(), |call| {
//!     match call.delivery.attempt {
//!         1 => Outcome::Failed { cause: FailureCause::Retry, message: "busy".to_owned() },
//!         _ => Outcome::Delivered,
//!     }
//! })?;
//! let clock = ManualClock::new();
//! let runtime = Runtime::builder().plugin(busy_at_first, Tenants::Every).clock(clock.clone()).build()?;
//!
//! runtime.end_session(EndRequest::new(Session::new("acme", "s1"), EndReason::Reset)).await?;
//! runtime.settled().await;
//! assert_eq!(runtime.undelivered_ends(), 1, "it waits for its retry");
//! clock.advance(Duration::from_secs(1));
//! runtime.settled().await;
//! assert_eq!(runtime.undelivered_ends(), 0);
//! # Ok(())
//! # }
//! ```

mod examples;
mod manual_clock;

pub use lastword_journal::testing::{BrokenRule, BrokenRules, FaultyJournal, conformance_rules, journal_conformance};

pub(crate) use self::examples::{example_delivery, example_end};
pub use self::manual_clock::ManualClock;
