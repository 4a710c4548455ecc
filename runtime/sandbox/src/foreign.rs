//! Prepares text of a component or of the engine for a message of ours: printable, and of bounded length.

use lastword_events::printable;
use lastword_events::text::clip_bytes;

use crate::limits::{MAX_MESSAGE_BYTES, MAX_NAME_BYTES};

/// A text with names of a component.
pub(crate) fn foreign_text(text: &str) -> String {
    clip_bytes(printable(text).into_owned(), MAX_MESSAGE_BYTES)
}

/// One name of a component.
pub(crate) fn foreign_name(name: &str) -> String {
    clip_bytes(printable(name).into_owned(), MAX_NAME_BYTES)
}

/// An error of the engine with its causes, on one line.
pub(crate) fn engine_error(error: &wasmtime::Error) -> String {
    foreign_text(&format!("{error:#}"))
}
