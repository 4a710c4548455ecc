//! What owners and Lastword say to each other: one JSON object a line, in both directions.
//!
//! [`lines`] cuts the input into lines, [`fields`] takes a line apart, [`input`] knows our own words, the [`owners`] have
//! others, and [`output`] writes our lines. Nothing here reads a file or starts a thread.

pub mod fields;
pub mod input;
pub mod limits;
pub mod lines;
pub mod output;
pub mod owners;
pub mod quote;
pub mod suggest;
