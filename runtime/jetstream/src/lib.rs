//! The journal on a NATS JetStream stream: what is owed outlives the node, and another node can take it over.
//!
//! One message of the stream is one group of records, and each message is chained to the one before it. The state is in memory: it is made
//! of the records, again and again in the same way.

#![forbid(unsafe_code)]

pub mod chain;
pub mod group;
#[cfg(test)]
mod model;
pub mod record;
pub mod replay;
pub mod snapshot;
pub mod state;
pub mod subjects;
pub mod values;

mod cluster;
mod connect;
mod error;
mod fence;
mod http;
mod journal;
mod limits;
mod lost_servers;
mod open;
mod proof;
mod reader;
mod reading;
mod registry;
mod settings;
mod shared;
mod status;
mod stream;
mod sync;
mod waiting;
mod writer;

pub use self::cluster::Cluster;
pub use self::error::ClusterError;
pub use self::journal::JetStreamJournal;
pub use self::limits::{DEFAULT_MAX_BYTES, FULL_PERCENT, MAX_QUEUED_WRITES, MIN_MAX_BYTES, REPLICAS, SILENT_AFTER};
pub use self::proof::ProofError;
pub use self::reader::{JournalReader, ReadJournal, ReadProgress};
pub use self::registry::{Asked, Registered, Registry, StreamEnd, Told, Update};
pub use self::settings::{ClusterSettings, Credentials, SettingsError, SyncProof, Tls};
pub use self::status::{Ended, JournalStatus, Replica};
