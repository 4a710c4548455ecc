//! The stdio protocol: one JSON object a line, in both directions.
//!
//! [`lines`] cuts the input into lines, [`fields`] takes a line apart, [`input`] knows our own words (the
//! [owners](crate::owners) have others), [`output`] writes our lines and [`writer`] carries them away: what waits for
//! the owner from an [`owner_queue`], the log from a [`line_queue`].

pub(crate) mod fields;
pub(crate) mod input;
pub(crate) mod line_queue;
pub(crate) mod lines;
pub(crate) mod output;
pub(crate) mod owner_queue;
pub(crate) mod writer;
