//! Calls that a plugin's author makes by hand. `lastword run` and `lastword test` share this code.

pub(crate) mod output;
pub(crate) mod sample;
pub(crate) mod stored;
