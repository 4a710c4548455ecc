//! What a test has in the place of NATS servers.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use lastword_jetstream::chain::Heard;

/// An answer on its way. One that is lost never comes.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A connection to the servers that have a journal's stream. A request is under way as soon as it is made, whether or not its answer is
/// awaited. `None`, like [`Heard::NoResponders`], is the answer of nobody: there is no leader, or no connection.
pub trait Servers: Send + Sync + 'static {
    /// Publishes a message with these headers.
    fn publish(&self, subject: String, headers: Vec<(&'static str, String)>, body: Bytes) -> Answer<Heard>;

    /// The message with this sequence.
    fn message(&self, sequence: u64) -> Answer<Heard>;

    /// The stream's first sequence and its last one.
    fn info(&self) -> Answer<Heard>;

    /// The last fence, if there is one: its sequence and its body.
    fn last_fence(&self) -> Answer<Option<Option<(u64, Bytes)>>>;

    /// The first message behind this sequence, with its own and its subject, as a consumer has it that reads the stream.
    fn message_behind(&self, sequence: u64) -> Answer<Option<(u64, String, Bytes)>>;

    /// Takes the messages below this sequence away.
    fn purge(&self, below: u64) -> Answer<Option<()>>;

    /// How large the stream may become, in bytes. It is said to have none, so a small one is to be purged all the time, and is never full.
    fn max_bytes(&self) -> u64;
}
