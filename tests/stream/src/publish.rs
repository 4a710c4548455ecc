//! A message that somebody wants to append.

use bytes::Bytes;
use lastword_jetstream::subjects::Kind;

/// A message that somebody wants to append, with what it expects of the stream.
#[derive(Clone, Debug)]
pub struct Publish {
    /// What it is, which its subject says.
    pub kind: Kind,
    /// The epoch in the body, which no server looks at.
    pub epoch: u64,
    /// The body.
    pub body: Bytes,
    /// `Nats-Expected-Last-Sequence`.
    pub last: Option<u64>,
    /// `Nats-Expected-Last-Subject-Sequence` of the fence's subject.
    pub fence: Option<u64>,
}

impl Publish {
    /// A message with these headers.
    #[must_use]
    pub fn new(kind: Kind, epoch: u64, body: Bytes, headers: &[(&'static str, String)]) -> Self {
        let expected = |name: &str| {
            let (_, value) = headers.iter().find(|(header, _)| *header == name)?;
            value.parse::<u64>().ok()
        };
        let last = expected("Nats-Expected-Last-Sequence");
        Self { kind, epoch, body, last, fence: expected("Nats-Expected-Last-Subject-Sequence") }
    }
}
