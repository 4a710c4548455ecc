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
//! let report = runtime.shutdown(DrainReason::Shutdown).await;
//! assert_eq!((report.delivered, report.failed, report.deferred), (1, 0, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | on by default | without it |
//! |---|---|---|
//! | `sqlite` | yes | no journal on disk: the one in memory, or your own [`Journal`] |
//! | `http` | yes | no plugin can be granted HTTP, and there is no HTTP and no TLS in the tree |
//! | `compile` | yes | no Cranelift: code comes from the code cache, which `lastword compile` fills, or from a `CompilerProcess` |
//! | `serde` | no | answers, reports, limits and quotas are no JSON |
//! | `test-util` | no | nothing for the tests of a program that embeds the runtime |
//!
//! [`events`], [`journal`], [`sandbox`] and [`sqlite`] are the crates whose types are in signatures here.
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
mod call_spans;
mod call_waker;
mod clock;
mod core;
mod decided_ops;
mod dispatch;
mod drain;
mod duplicate_end_counts;
mod enqueue;
mod grace;
mod in_flight;
mod install_error;
mod installed;
mod intake;
mod key_values;
mod lane;
pub mod limits;
mod observer;
mod observers;
mod on_record;
mod operators;
mod orphans;
mod out_of_queues;
mod phase;
mod plugin_changes;
mod publisher;
mod queued_delivery;
mod quota;
mod recent_ends;
mod records;
mod recovered_end;
mod recovery;
mod reported_fields;
mod request;
mod retry;
mod run_end;
mod run_journal;
mod runtime;
mod scoped_map;
mod session_lookup;
mod session_order;
mod session_page;
mod session_query;
mod session_quota;
#[cfg(not(shuttle))]
mod sync;
mod tenants;
#[cfg(all(feature = "test-util", not(shuttle)))]
pub mod testing;
mod time;
mod waiters;
mod worker;
mod workers;

/// What the page shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/operating-embedded.md")]
struct Operating;

#[cfg(not(shuttle))]
pub use lastword_sandbox as sandbox;
// `tests/schedules` compiles these sources again, with others in the place of these two.
#[cfg(shuttle)]
use lastword_fakes::{sandbox, sync};

pub use lastword_events as events;
pub use lastword_events::PluginKey;
pub use lastword_journal as journal;
pub use lastword_journal::{
    Changed, Commit, DeliveryFilter, DeliveryPage, DeliveryRow, DeliveryState, Durability, Journal, JournalError,
    JournalErrorKind, MAX_PAGE_ROWS, MemoryJournal, PageRequest, Settlement,
};
#[cfg(feature = "sqlite")]
pub use lastword_sqlite as sqlite;
#[cfg(feature = "sqlite")]
pub use lastword_sqlite::{OpenError, SqliteJournal};
#[cfg(all(feature = "http", not(shuttle)))]
pub use sandbox::{AllowList, Destination, Egress};
#[cfg(not(shuttle))]
pub use sandbox::{
    CallReport, Compiled, CompilerProcess, Grant, Grants, KeyValueGrant, KeyValues, Limits, LoadError, Plugin, Root,
    Sandbox, SandboxConfig, SandboxError, SlotsBound, Source, TranscriptGrant,
};

pub use builder::{BuildError, Builder};
pub use clock::{Clock, Sleep};
pub use duplicate_end_counts::DuplicateEnds;
pub use install_error::InstallError;
pub use installed::Leave;
pub use key_values::JournalKeyValues;
pub use observer::{CallStart, Observer, OutcomeRecord, Registration};
pub use operators::{PluginStats, Stats};
pub use plugin_changes::{Paused, Uninstalled};
pub use quota::{QuotaKind, TenantQuota};
pub use recovery::RecoveredCounts;
pub use request::{Acceptance, Accepted, CompactionRequest, EndRequest, Refusal, StartRequest};
pub use retry::RetryPolicy;
pub use run_end::Detached;
pub use runtime::Runtime;
pub use session_page::SessionPage;
pub use tenants::Tenants;
pub use waiters::Settled;
