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
