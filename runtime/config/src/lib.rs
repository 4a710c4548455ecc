//! `lastword.toml`: the plugins, their limits, and the drain. This crate returns the content of the file, or every
//! mistake in it. It leaves missing settings out; its caller has defaults.
//!
//! ```toml
//! [drain]
//! enabled = true
//! budget = "2s"
//!
//! [journal]
//! path = "/var/lib/lastword/journal.db"    # optional, relative to this file; or jetstream = { … }
//!
//! [calls]
//! memory = "4GiB"                          # of all calls under way together; half of the machine's when left out
//!
//! [owner]
//! keep = ["compact_summary"]               # of its payloads, beside what is kept by default: with --from
//!
//! [daemon]                                 # of `lastword serve`
//! socket = "/run/lastword/lastword.sock"   # relative to this file
//! owner-grace = "2s"
//! idle-after = { claude-code = "4h" }
//! on-stop = "drain"                        # or "keep"
//!
//! [[plugin]]
//! name = "memory"
//! component = "plugins/memory.wasm"        # relative to this file
//! sha256 = "9f86d081884c7d65…"             # optional: the file must be this one
//! tenants = ["acme"]                       # optional: every tenant when left out
//! limits = { fuel = 100_000_000_000, deadline = "500ms", memory = "64MiB" }
//! config = { greeting = "hello" }          # what it is granted: nothing by default
//! keyvalue = { quota = "1MiB" }
//! http = ["https://api.example.com", "http://127.0.0.1:37777"]
//! transcript = { root = "/var/lib/agents/{tenant}", max = "16MiB" }
//!
//! [quota]                                  # of every tenant: no limit by default
//! active-sessions = 10_000
//!
//! [tenant.acme.quota]                      # its own; what it leaves out is taken from [quota]
//! active-sessions = 50_000
//! ```
//!
//! Every mistake that can be found is reported at once, each with file, line and column.
//!
//! The crate opens no file and knows no engine: a [`Source`] has the text, and returns the components that it names.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod call_limits;
mod calls;
mod config;
mod daemon;
mod drain;
mod grants;
mod jetstream;
mod journal;
pub mod limits;
mod owner;
mod plugin;
mod quota;
mod reader;
mod source;
mod tokens;
pub mod units;

pub use call_limits::LimitSettings;
pub use calls::Calls;
pub use config::Config;
pub use daemon::{Daemon, OnStop, TlsFiles, address};
pub use drain::Drain;
pub use grants::{GrantSettings, TranscriptSettings, check_config, check_destinations, destination};
pub use jetstream::{JetStream, NatsLogin, NatsTls, SyncProof};
pub use journal::{Journal, MEMORY};
pub use owner::Owner;
pub use plugin::{PluginSettings, name_of};
pub use quota::QuotaSettings;
pub use source::{Mistakes, ReadComponent, Source};
pub use tokens::{TOKEN_ROLES, TokenSettings};
