//! What owners and Lastword say to each other: one JSON object a line, in both directions.
//!
//! A [`reader`] takes the input and makes lines of it, which [`repair`] makes JSON of where they are not. [`fields`] takes
//! an object apart, [`input`] knows the Lastword protocol, the [`owners`] have words of their own, and [`output`] writes our lines. Nothing here
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
