//! One guest call, contained: a WebAssembly component is loaded once, and each call of one of its hooks runs in a fresh
//! instance under limits of fuel, time, memory and output. The only crate of Lastword that knows wasmtime.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use lastword_events::{
//!     Delivery, EndReason, Event, Hook, HookCall, Outcome, PluginName, Session, SessionEnd, Timestamp,
//! };
//! use lastword_sandbox::{Limits, Sandbox, SandboxConfig, Source};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::new(SandboxConfig::default())?;
//!
//! # let component = lastword_test_guests::component("retry-by-attempt");
//! let name = PluginName::new("memory")?;
//! let plugin = sandbox.load(name, &Source::Bytes(component), Limits::default())?;
//! assert!(plugin.hooks().contains(Hook::SessionEnd));
//!
//! let end = SessionEnd::new(EndReason::Reset, Timestamp::now());
//! let id = "k3f9a2c1.17/session-end/memory".parse()?;
//! let call = HookCall {
//!     session: Arc::new(Session::new("acme", "s1")),
//!     delivery: Delivery { id, attempt: 3, remaining_ms: 500, late: false },
//!     event: Arc::new(Event::End(end)),
//! };
//! let report = sandbox.call(&plugin, call, Duration::from_millis(500)).await;
//!
//! assert_eq!(report.outcome, Outcome::Delivered);
//! println!("{} units of fuel, {} bytes, {:?}", report.fuel_used, report.peak_memory, report.wall);
//! # Ok(())
//! # }
//! ```
//!
//! # How a guest is held
//!
//! | it … | is cut by | outcome |
//! |---|---|---|
//! | works without end | its fuel, which counts instructions: the same input uses the same fuel | `failed(fuel)` |
//! | keeps the CPU | the epoch: a ticker interrupts it every millisecond, it yields, and past its deadline it is ended | `failed(deadline)` |
//! | waits for the host without end | a timer around the call | `failed(deadline)` |
//! | takes memory | a limiter that sums all memories and tables of the instance, and what the host keeps for it | `failed(memory)` |
//! | takes memory that others hold | it waits; when all wait the youngest is put back, see [`MemoryAccount`] | `deferred(memory)` |
//! | begins, or sends a request, when the process has no mapping or no open file left | its slot is another's at once, and it is put back a moment later | `deferred(turn)` |
//! | traps, overflows its stack, exits | the engine | `failed(trap: …)` |
//! | prints without end | its log limit; the rest is dropped, and the log says so | none |
//! | makes the host panic | `catch_unwind` around the call | `failed(host)` |
//!
//! The deadline counts the time in which the guest runs or waits for the host, and not the time in which it is ready and
//! others have the CPU. After the call, however it ended, the store is dropped: nothing of a guest outlives its call, and
//! no instance is entered twice.
//!
//! A guest may import all of `wasi:cli`. Clocks and random numbers are real, standard output becomes `tracing` events
//! (target `lastword::guest`); environment, arguments, directories and network are empty.
//!
//! # What it is not
//!
//! It knows nothing of deliveries that are owed, of retries, drains or fairness: that is `lastword`'s. It does not spawn
//! tasks: a [`Call`] is a future that its caller polls, cuts by dropping, and need not wait for.

mod cache;
mod call;
mod call_context;
mod changes;
#[cfg(feature = "compile")]
mod code_size;
mod compiled;
mod compiler;
mod config;
mod contract;
mod cpu;
mod engine;
mod error;
mod extra_memories;
mod fingerprint;
mod foreign;
mod frames;
mod free_memory;
mod fuel;
mod grants;
mod guest;
mod hooks;
mod host;
mod host_calls;
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "most of it is what HTTP makes the host keep"))]
mod host_memory;
mod host_memory_charge;
mod host_memory_quota;
mod imports;
mod inspect;
mod lack;
mod limit_exceeded;
mod limiter;
pub mod limits;
mod linker;
mod load;
mod loaded;
mod log;
mod machine;
mod memory;
mod memory_layout;
mod meter;
#[cfg(feature = "test-util")]
mod native;
mod outcome;
mod plugin;
mod pool;
mod prescan;
mod sandbox;
mod shape;
mod shared_code;
mod slot_limit;
mod slots;
mod source;
mod state;
mod ticker;
mod timed_key_values;
mod timer;
mod usage;

pub use call::{Call, CallReport};
pub use compiled::Compiled;
pub use compiler::CompilerProcess;
#[cfg(feature = "compile")]
pub use compiler::compile_worker;
pub use config::SandboxConfig;
pub use contract::PACKAGE as CONTRACT;
pub use error::{LoadError, SandboxError};
pub use fuel::default_fuel;
pub use grants::{Grant, Grants, KeyValueGrant, TranscriptGrant};
pub use hooks::Hooks;
pub use imports::{Import, Provision};
pub use inspect::{HookFit, Inspection};
#[cfg(feature = "http")]
pub use lastword_egress::{AllowList, Destination, Egress, ParseDestinationError, Resolve, Resolving};
pub use lastword_events::{Change, KeyValueError, KeyValueUsage, KeyValues};
pub use lastword_memory::{GivesWay, MemoryAccount, MemoryPart, Reservation};
pub use lastword_transcript::{BadRoot, Root};
pub use limits::Limits;
pub use memory_layout::MemoryLayout;
pub use plugin::Plugin;
pub use pool::Allocation;
pub use sandbox::Sandbox;
pub use slot_limit::SlotsBound;
pub use source::{FileKind, Source};
