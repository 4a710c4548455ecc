//! The protocol between owners and Lastword: one JSON object a line, in both directions.
//!
//! A [`reader`] splits the input into lines. [`repair`] repairs lines that are no JSON, if it can. [`fields`] takes an
//! object apart. [`input`] parses the Lastword protocol, and the [`owners`] parse the events of agents. [`output`]
//! writes Lastword's lines. This crate reads no file and starts no thread.

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
