//! **Lastword gives every session its last word**: the runtime that calls plugins when an agent's session ends.
//!
//! Plugins are WebAssembly components of the world `lastword:hooks/session-hooks`. The runtime keeps the set of active
//! sessions, calls each plugin's `session-end` in a fresh sandbox, tries again what failed, and at shutdown drains the
//! whole set within one budget. Two promises: it is *bounded* (no plugin can make a drain longer, or hurt another) and
//! nothing is *lost* (every end that could not be delivered is written down as owed).
//!
//! ```
//! use std::time::Duration;
//! use lastword::events::{DrainReason, EndReason, PluginName, Session};
//! use lastword::{EndRequest, Limits, Runtime, Sandbox, SandboxConfig, Source, StartRequest, Tenants};
//!
//! # fn my_plugin() -> Vec<u8> { lastword_test_guests::component("good") }
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A sandbox compiles plugins once. A plugin has limits: fuel, deadline, memory.
//! let sandbox = Sandbox::new(SandboxConfig::default())?;
//! let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
//! let memory = sandbox.load(PluginName::new("memory")?, &Source::Bytes(my_plugin()), limits)?;
//!
//! let runtime = Runtime::builder()
//!     .sandbox(sandbox)
//!     .plugin(memory, Tenants::Every)
//!     .on_outcome(|record| println!("{}: {}", record.id, record.outcome))
//!     .build()?;
//!
//! runtime.start_session(StartRequest::new(Session::new("acme", "s1"))).await?;
//! runtime.start_session(StartRequest::new(Session::new("acme", "s2"))).await?;
//! runtime.end_session(EndRequest::new(Session::new("acme", "s1"), EndReason::Reset)).await?;
//! runtime.settled().await;
//! assert_eq!(runtime.sessions().len(), 1);
//!
//! // At shutdown: s2 gets its end as well, within the budget (2 s by default).
//! let report = runtime.drain(DrainReason::Shutdown).await;
//! assert_eq!((report.delivered, report.failed, report.deferred), (1, 0, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not for
//!
//! It does not listen to anyone: signals, standard input and HTTP are the program's, `lastword-cli`. It is no general
//! job queue: deliveries are made at least once, in the order of a session's events, and that is all it knows.

// Not on shuttle: what is tested there has tests of its own.
#![cfg(not(all(shuttle, test)))]
#![forbid(unsafe_code)]

mod active_session;
mod active_set;
mod after_call;
mod breaker;
mod builder;
mod call_waker;
mod core;
mod decided_ops;
mod dispatch;
mod drain;
mod duplicate_end_counts;
mod grace;
mod in_flight;
mod installed;
mod intake;
mod key_values;
mod lane;
pub mod limits;
mod outcome;
mod phase;
mod queued_delivery;
mod quota;
mod recent_ends;
mod recovered_end;
mod recovery;
mod reported_fields;
mod request;
mod retry;
mod runtime;
mod scoped_map;
mod session_lookup;
mod session_order;
mod session_query;
mod session_quota;
#[cfg(not(shuttle))]
mod sync;
mod tenants;
mod worker;

#[cfg(not(shuttle))]
use lastword_sandbox as sandbox;
// `tests/schedules` compiles these sources again, with others in the place of these two.
#[cfg(shuttle)]
use lastword_fakes::{sandbox, sync};

pub use lastword_events as events;
pub use lastword_journal::{Durability, Journal, JournalError, MemoryJournal};
#[cfg(feature = "sqlite")]
pub use lastword_sqlite::{OpenError, SqliteJournal};
#[cfg(not(shuttle))]
pub use sandbox::{
    AllowList, CallReport, CompilerProcess, Destination, Egress, Grant, Grants, KeyValueGrant, KeyValues, Limits,
    LoadError, Plugin, Root, Sandbox, SandboxConfig, SandboxError, Source, TranscriptGrant,
};

pub use builder::{BuildError, Builder};
pub use duplicate_end_counts::RepeatedEnds;
pub use key_values::JournalKeyValues;
pub use outcome::OutcomeRecord;
pub use quota::{QuotaKind, TenantQuota};
pub use recovery::RecoveredCounts;
pub use request::{Acceptance, Accepted, CompactionRequest, EndRequest, Refusal, StartRequest};
pub use retry::RetryPolicy;
pub use runtime::Runtime;
pub use tenants::Tenants;
