//! The tables of the file, one by one: their statements, each where its rows are read and written.
//!
//! `session` and `delivery` are written by [`apply`](crate::apply) and read by [`recover`](crate::recover).

pub(crate) mod drained;
pub(crate) mod generations;
pub(crate) mod key_values;
pub(crate) mod ops;
pub(crate) mod recent_ends;
pub(crate) mod suspects;
