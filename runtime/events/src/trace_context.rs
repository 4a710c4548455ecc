//! The trace that an owner's request is part of, as [W3C Trace Context](https://www.w3.org/TR/trace-context/) writes it.
//!
//! An event carries it as two attributes. So it is on record with the event, plugins see it, and a delivery that is made after a restart
//! is part of the same trace.

use std::str::FromStr;

use thiserror::Error;

use crate::limits::MAX_TRACESTATE_BYTES;
use crate::{Attributes, Event};

/// The name of the attribute with the trace and the owner's span in it: [`TraceParent`].
pub const TRACEPARENT: &str = "traceparent";
/// The name of the attribute with what tracing systems have added. It has no meaning without [`TRACEPARENT`].
pub const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version `00`.
const LENGTH: usize = 55;

/// A `traceparent`: the trace and the span in it that sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace. Never only zeros.
    pub trace_id: [u8; 16],
    /// The span that sent the request. Never only zeros.
    pub parent_id: [u8; 8],
    /// The flags. The lowest bit: the sender has recorded its span.
    pub flags: u8,
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is no traceparent such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
pub struct ParseTraceParentError;

impl FromStr for TraceParent {
    type Err = ParseTraceParentError;

    /// Reads version `00`, and of later versions the part that they have in common with it, as the standard asks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or(ParseTraceParentError)
    }
}

fn parse(text: &str) -> Option<TraceParent> {
    let mut parts = text.split('-');
    let [version] = hex(parts.next()?)?;
    let parsed =
        TraceParent { trace_id: hex(parts.next()?)?, parent_id: hex(parts.next()?)?, flags: flags(parts.next()?)? };
    let fits = match version {
        0 => text.len() == LENGTH,
        0xff => false,
        _ => true,
    };
    (fits && parsed.trace_id != [0; 16] && parsed.parent_id != [0; 8]).then_some(parsed)
}

fn flags(text: &str) -> Option<u8> {
    let [flags] = hex(text)?;
    Some(flags)
}

/// Reads exactly so many bytes. The standard allows small letters only.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = digits else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

/// Whether this can be passed on as a `tracestate`. What is in it is the business of those who wrote it.
#[must_use]
pub fn is_tracestate(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TRACESTATE_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

impl Event {
    /// Returns the owner's further names and values of the event.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        match self {
            Self::Start(start) => &start.attributes,
            Self::End(end) => &end.attributes,
            Self::Compaction(compaction) => &compaction.attributes,
        }
    }

    /// Returns the trace that the event's request is part of, with its `tracestate`. `None`: the owner has named none, or an
    /// invalid one.
    #[must_use]
    pub fn trace(&self) -> Option<(TraceParent, Option<&str>)> {
        let find = |name| self.attributes().iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let parent = find(TRACEPARENT)?.parse().ok()?;
        Some((parent, find(TRACESTATE).filter(|state| is_tracestate(state))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionStart;

    const STANDARD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_standards_example_is_read() {
        let parent: TraceParent = STANDARD.parse().unwrap();
        assert_eq!((parent.trace_id[0], parent.trace_id[15]), (0x0a, 0x9c));
        assert_eq!((parent.parent_id, parent.flags), ([0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31], 1));
        let later = STANDARD.replacen("00", "cc", 1);
        assert_eq!(later.parse(), Ok(parent));
        assert_eq!(format!("{later}-what-the-future-will-be-like").parse(), Ok(parent));
    }

    #[test]
    fn what_the_standard_refuses_is_refused() {
        for bad in [
            "",
            "00",
            &STANDARD[..54],
            &format!("{STANDARD}-00"),
            &format!("{STANDARD}0"),
            &STANDARD.to_uppercase(),
            &STANDARD.replacen("00", "ff", 1),
            &STANDARD.replacen("00", "0x", 1),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01",
            "00-0af7651916cd43dd8448eb211c8031é-b7ad6b7169203331-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(ParseTraceParentError), "{bad}");
        }
    }

    #[test]
    fn an_event_has_the_trace_that_its_attributes_say() {
        let event = |attributes: &[(&str, &str)]| {
            let attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            Event::Start(SessionStart { attributes, ..SessionStart::default() })
        };
        assert_eq!(event(&[("tracestate", "a=1")]).trace(), None, "a state alone is none");
        assert_eq!(event(&[("traceparent", "x")]).trace(), None);
        let parent = STANDARD.parse().unwrap();
        assert_eq!(event(&[("traceparent", STANDARD)]).trace(), Some((parent, None)));
        assert_eq!(event(&[("traceparent", STANDARD), ("tracestate", "a=1")]).trace(), Some((parent, Some("a=1"))));
        assert_eq!(event(&[("traceparent", STANDARD), ("tracestate", "a\n")]).trace(), Some((parent, None)));
    }
}
