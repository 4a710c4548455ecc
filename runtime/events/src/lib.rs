//! The vocabulary of Lastword: sessions, the events of their lives, deliveries and outcomes.
//!
//! Pure data with serde: no I/O, no clock, no policy. Every other crate of the project uses these types, and the WIT
//! package `lastword:hooks` defines the same ones for plugins.
//!
//! ```
//! use lastword_events::{EndReason, Owner, Session};
//!
//! let session = Session::new("acme", "s1");
//! session.validate()?;
//!
//! // Owners have words of their own; the word always travels along, the meaning is ours.
//! assert_eq!(Owner::ClaudeCode.end_reason("prompt_input_exit"), EndReason::UserExit);
//! assert_eq!(Owner::OpenClaw.end_reason("melted"), EndReason::Other("melted".into()));
//! # Ok::<(), lastword_events::FieldError>(())
//! ```
//!
//! The crate does not define the stdio protocol (`lastword-protocol` does) nor a journal's schema.

#![forbid(unsafe_code)]

mod attributes;
mod compaction;
mod delivery;
mod event;
mod field;
mod hook;
mod hook_call;
mod key_value;
pub mod limits;
pub mod millis;
mod name;
mod outcome;
mod owner;
mod plugin_key;
mod reason;
mod report;
mod scope;
mod session;
mod session_owner;
pub mod text;
mod timestamp;
mod trace_context;

pub use attributes::Attributes;
pub use compaction::CompactionPhase;
pub use delivery::{Delivery, DeliveryId, EventKey, ParseDeliveryIdError, ParseEventKeyError};
pub use event::{Event, SessionCompaction, SessionEnd, SessionStart};
pub use field::FieldError;
pub use hook::Hook;
pub use hook_call::HookCall;
pub use key_value::{
    Change, KEY_OVERHEAD_BYTES, KeyValueError, KeyValueUsage, KeyValues, key_value_bytes, key_value_number,
};
pub use name::{JournalName, PluginName};
pub use outcome::{Deferral, FailureCause, Outcome};
pub use owner::Owner;
pub use plugin_key::PluginKey;
pub use reason::{DrainReason, EndReason};
pub use report::{DRAIN_WARNING, DrainReport, DrainWarning, PluginDrain, PluginRest};
pub use scope::Scope;
pub use session::{Identity, Session, Transcript};
pub use session_owner::{OwnerProcess, SessionOwner};
pub use text::{is_plain, printable};
pub use timestamp::Timestamp;
pub use trace_context::{ParseTraceParentError, TRACEPARENT, TRACESTATE, TraceParent, is_tracestate};
