//! An event in another format than `--from` names.
//!
//! Separate from [`recognise`](mod@super::recognise), which depends on [`input`](crate::input): an input may be
//! foreign.

use std::fmt;

use lastword_events::printable;

use super::input_format::InputFormat;
use crate::bad_line::BadLine;
use lastword_events::limits::MAX_QUOTED_CHARS;
use lastword_events::text::clip_chars;

/// An event in an unexpected format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The format that the event seems to be in.
    pub from: InputFormat,
    /// The owner's name for the event, if it has one.
    pub event: Option<String>,
    /// The mistake in the line, if it was meant for this format.
    pub error: Option<BadLine>,
}

impl Foreign {
    /// Adds the mistake, and adds the recognised format to it.
    pub(super) fn refused(self, mut bad: BadLine) -> Self {
        bad.message = format!("{}: {self}", bad.message);
        Self { error: Some(bad), ..self }
    }
}

/// For example `this looks like Cursor's sessionEnd; --from cursor reads it`.
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event.as_deref().map_or_else(|| "event".into(), |event| clip_chars(event, MAX_QUOTED_CHARS));
        let event = printable(&event);
        match self.from {
            InputFormat::Lastword => write!(f, "this looks like the {event} of Lastword's own words; leave --from out"),
            from => write!(f, "this looks like {}'s {event}; --from {} reads it", from.name(), from.as_str()),
        }
    }
}
