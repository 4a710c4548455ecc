//! The journal on JetStream in orders that a scheduler draws: the thread that writes and what it shares with callers are the runtime's own
//! sources, compiled once more.
//!
//! Below are two kinds of modules. Those with a path are files of `runtime/jetstream`: they take their locks, their thread, their tasks and
//! their clock from `sync`, which is another one here, on [shuttle](https://docs.rs/shuttle). Those without one stand for what knows NATS:
//! the client, and what is asked of servers before a journal begins. They hand each request to a test's [`Servers`]. What does no I/O
//! (`chain`, `replay` and the like) is `lastword_jetstream`'s.

#![forbid(unsafe_code)]

#[path = "../../../../runtime/jetstream/src/error.rs"]
mod error;
#[path = "../../../../runtime/jetstream/src/fence.rs"]
mod fence;
#[path = "../../../../runtime/jetstream/src/journal.rs"]
mod journal;
#[path = "../../../../runtime/jetstream/src/limits.rs"]
#[expect(dead_code, unreachable_pub, reason = "some are limits of what stands here for NATS, or for users")]
mod limits;
#[path = "../../../../runtime/jetstream/src/open.rs"]
#[expect(clippy::needless_borrow, reason = "the prefix is a reference here, and text of its own there")]
mod open;
#[path = "../../../../runtime/jetstream/src/shared.rs"]
mod shared;
#[path = "../../../../runtime/jetstream/src/status.rs"]
mod status;
#[path = "../../../../runtime/jetstream/src/waiting.rs"]
mod waiting;
#[path = "../../../../runtime/jetstream/src/writer.rs"]
#[expect(clippy::redundant_closure_for_method_calls, reason = "there the time is of tokio, and another one's method")]
mod writer;

mod cluster;
mod connect;
mod proof;
mod servers;
mod settings;
mod stream;
mod sync;

use lastword_jetstream::{chain, group, record, replay, snapshot, state, subjects, values};

pub use self::cluster::Cluster;
pub use self::error::ClusterError;
pub use self::journal::JetStreamJournal;
pub use self::servers::{Answer, Servers};
pub use self::status::{Ended, JournalStatus, Replica};
pub use self::sync::begin;
