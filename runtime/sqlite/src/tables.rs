//! The tables of the file, one module for each, with the statements that read and write its rows.
//!
//! [`apply`](crate::apply) writes `session` and `delivery`, and [`recover`](crate::recover) reads them.

pub(crate) mod drained;
pub(crate) mod generations;
pub(crate) mod key_values;
pub(crate) mod ops;
pub(crate) mod recent_ends;
pub(crate) mod suspects;
