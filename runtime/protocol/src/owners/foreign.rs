//! An event in another format than `--from` names.
//!
//! Apart from [`recognise`](mod@super::recognise), which needs the words of [`input`](crate::input): an input may be foreign.

use std::fmt;

use lastword_events::printable;

use super::input_format::InputFormat;
use crate::bad_line::BadLine;
use lastword_events::limits::MAX_QUOTED_CHARS;
use lastword_events::text::clip_chars;

/// An event in words that were not expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The format that the event seems to be in.
    pub from: InputFormat,
    /// The owner's name for the event, if it has one.
    pub event: Option<String>,
    /// What is wrong with the line, if it is for us.
    pub error: Option<BadLine>,
}

impl Foreign {
    /// With what is wrong with it, which says as well what it looks like.
    pub(super) fn refused(self, mut bad: BadLine) -> Self {
        bad.message = format!("{}: {self}", bad.message);
        Self { error: Some(bad), ..self }
    }
}

/// `this looks like Cursor's sessionEnd; --from cursor reads it`
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
