//! The trace of a request: its headers `traceparent` and `tracestate`, as W3C Trace Context defines them.

use axum::http::HeaderMap;
use lastword::events::{TRACEPARENT, TRACESTATE};
use lastword_protocol::input::OwnerEvent;

/// The trace that a request is part of. The events in its body are part of it as well.
#[derive(Clone, Debug)]
pub(crate) struct RequestTrace {
    parent: String,
    state: Option<String>,
}

impl RequestTrace {
    /// Returns what the headers say, valid or not. `None`: they name no trace.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let all = |name: &str| {
            let values: Vec<String> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect();
            // Of several the standard makes one list, which no parent can be.
            (!values.is_empty()).then(|| values.join(","))
        };
        Some(Self { parent: all(TRACEPARENT)?, state: all(TRACESTATE) })
    }

    /// Makes the event part of the trace, unless the event names one itself.
    pub(crate) fn brings(&self, event: &mut OwnerEvent) {
        event.brought_by(&self.parent, self.state.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn several_parents_are_none_and_several_states_are_one_list() {
        assert!(RequestTrace::of(&HeaderMap::new()).is_none());
        let mut headers = HeaderMap::new();
        for (name, value) in [("traceparent", "a"), ("traceparent", "b"), ("tracestate", "v=1"), ("tracestate", "w=2")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        let trace = RequestTrace::of(&headers).unwrap();
        assert_eq!((trace.parent.as_str(), trace.state.as_deref()), ("a,b", Some("v=1,w=2")));
    }
}
