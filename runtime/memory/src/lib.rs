//! Admission to the memory that calls share: bytes that a plugin's calls have together, and bytes of all calls.
//!
//! A call *reserves* before it begins what it will probably take. A call that cannot reserve waits for its turn and holds
//! nothing; the order of turns is the business of the caller. A call that takes more than it has reserved *grows*: it takes what
//! is free, before any call that has not begun. Where nothing is free it waits. When all calls that have memory wait, none is
//! going to give any back: then the youngest is *cut*, and has to begin again with what it had asked for as its reservation. The
//! oldest is never cut, and so always comes to its end.
//!
//! ```
//! use lastword_memory::MemoryAccount;
//!
//! let account = MemoryAccount::new(100, 0);
//! let plugin = account.part(80);
//! let first = plugin.reserve(60, false).expect("it is free");
//! assert!(plugin.reserve(60, false).is_none(), "it has to wait");
//! drop(first);
//! assert_eq!(account.used(), 0);
//! ```
//!
//! It only counts: the sandbox tells it what calls take. It knows neither wasmtime nor plugins, so tests without WebAssembly use
//! it as it is.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod account;
mod calls;
mod ledger;
mod room;
mod unflushed;

pub use account::{GivesWay, MemoryAccount, MemoryPart, Reservation};
