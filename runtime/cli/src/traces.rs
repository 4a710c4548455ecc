//! Traces over OTLP: the road of each event, from its request to the record of its outcome.
//!
//! The variables of OpenTelemetry say whether there are any: nothing is made for a trace unless `OTEL_EXPORTER_OTLP_ENDPOINT` names a
//! collector. The feature `otlp` compiles them in.

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
mod without;

use lastword::Builder;

#[cfg(feature = "otlp")]
pub(crate) use otlp::{Traces, threads};
#[cfg(not(feature = "otlp"))]
pub(crate) use without::{Traces, threads};

/// Adds the observer of traces, if there are traces.
pub(crate) fn traced(builder: Builder, traces: Option<&Traces>) -> Builder {
    match traces {
        Some(traces) => traces.observe(builder),
        None => builder,
    }
}
