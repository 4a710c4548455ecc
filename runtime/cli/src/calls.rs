//! Calls that a plugin's author makes by hand: what `lastword run` and `lastword test` share.

pub(crate) mod output;
pub(crate) mod sample;
pub(crate) mod stored;
