//! Servers of a test keep what they acknowledge.

pub(crate) use lastword_jetstream::ProofError;

pub(crate) type Proven = Option<Vec<String>>;
