//! What owners and Lastword say to each other: one JSON object a line, in both directions.
//!
//! A [`reader`] splits the input into lines. [`repair`] mends lines that are no JSON, if it can. [`fields`] takes an object apart.
//! [`input`] knows the Lastword protocol, and the [`owners`] know the events of agents. [`output`] writes Lastword's lines. Nothing here
//! reads a file or starts a thread.

#![forbid(unsafe_code)]

pub mod bad_line;
pub mod dropped;
pub mod fields;
pub mod input;
pub mod limits;
pub mod output;
pub mod owners;
pub mod reader;
pub mod repair;
pub mod suggest;
mod time;
