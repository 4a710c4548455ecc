//! The trace of one event: its ids, and the spans in it.
//!
//! The ids follow from the event's id, which is on record and the same after a restart. So a delivery that is made later is part of the
//! same trace, and its spans have the parent that was exported before. Only the spans of single steps have random ids: a step is
//! exported once.

use std::borrow::Cow;
use std::time::SystemTime;

use lastword_events::TraceParent;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use sha2::{Digest as _, Sha256};

/// The trace of one event.
#[derive(Clone, Debug)]
pub(super) struct Road {
    trace: TraceId,
    /// The span of the request. `None`: nobody has requested the event, and every step begins at the top of the trace.
    request: Option<SpanId>,
    /// The owner's span that sent the request.
    owner: Option<SpanContext>,
}

/// One step of a road, which is over.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) about: Vec<KeyValue>,
    pub(super) status: Status,
}

impl Step {
    /// A step in which nothing can go wrong.
    pub(super) fn new(name: &'static str, began: SystemTime, ended: SystemTime, about: Vec<KeyValue>) -> Self {
        Self { name, began, ended, about, status: Status::Unset }
    }
}

impl Road {
    /// The road of the event with this id, e.g. `k3f9a2c1.17/session-end`. It is part of the owner's trace, if the owner has named one.
    pub(super) fn of(event: &str, owners: Option<(TraceParent, Option<&str>)>, is_requested: bool) -> Self {
        let digest: [u8; 32] = Sha256::digest(event.as_bytes()).into();
        let number = |from: usize| digest.iter().skip(from);
        let mut own = [0; 16];
        own.iter_mut().zip(number(0)).for_each(|(byte, of)| *byte = *of);
        let mut request = [0; 8];
        request.iter_mut().zip(number(16)).for_each(|(byte, of)| *byte = *of);
        let owner = owners.map(|(parent, state)| {
            let state = state.and_then(|state| state.parse().ok()).unwrap_or_default();
            let (trace, span) = (TraceId::from_bytes(parent.trace_id), SpanId::from_bytes(parent.parent_id));
            SpanContext::new(trace, span, TraceFlags::new(parent.flags), true, state)
        });
        let trace = owner.as_ref().map_or_else(|| TraceId::from_bytes(own), SpanContext::trace_id);
        Self { trace, request: is_requested.then(|| SpanId::from_bytes(request)), owner }
    }

    /// Whether its spans are exported. The answer is the same in every run.
    pub(super) fn is_sampled(&self, sampler: &Sampler) -> bool {
        let parent = self.owner.clone().map(|owner| Context::new().with_remote_span_context(owner));
        let sampled = sampler.should_sample(parent.as_ref(), self.trace, "", &SpanKind::Consumer, &[], &[]);
        sampled.decision == SamplingDecision::RecordAndSample
    }

    /// The span of the request, which is the owner's child. The other spans are its children.
    pub(super) fn request(&self, step: Step) -> SpanData {
        let id = self.request.unwrap_or_else(new_span_id);
        let (parent, is_remote) = match &self.owner {
            Some(owner) => (owner.span_id(), true),
            None => (SpanId::INVALID, false),
        };
        self.span(id, (parent, is_remote), SpanKind::Consumer, step)
    }

    /// The span of a step.
    pub(super) fn step(&self, step: Step) -> SpanData {
        let parent = (self.request.unwrap_or(SpanId::INVALID), false);
        self.span(new_span_id(), parent, SpanKind::Internal, step)
    }

    fn span(&self, id: SpanId, (parent, is_remote): (SpanId, bool), kind: SpanKind, step: Step) -> SpanData {
        let Step { name, began, ended, about, status } = step;
        let state = self.owner.as_ref().map_or_else(TraceState::default, |owner| owner.trace_state().clone());
        SpanData {
            span_context: SpanContext::new(self.trace, id, TraceFlags::SAMPLED, false, state),
            parent_span_id: parent,
            parent_span_is_remote: is_remote,
            span_kind: kind,
            name: Cow::Borrowed(name),
            start_time: began,
            // A wall clock may be set back meanwhile.
            end_time: ended.max(began),
            attributes: about,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: scope(),
        }
    }
}

fn new_span_id() -> SpanId {
    RandomIdGenerator::default().new_span_id()
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("lastword").with_version(env!("CARGO_PKG_VERSION")).build()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const EVENT: &str = "k3f9a2c1.17/session-end";

    fn step() -> Step {
        Step::new("call", SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH, Vec::new())
    }

    /// Some span.
    pub(in super::super) fn span() -> SpanData {
        Road::of(EVENT, None, true).step(step())
    }

    fn owners(flags: u8) -> TraceParent {
        TraceParent { trace_id: [7; 16], parent_id: [8; 8], flags }
    }

    #[test]
    fn the_ids_of_an_event_are_the_same_in_every_run_and_those_of_its_steps_are_not() {
        let (first, again) = (Road::of(EVENT, None, true), Road::of(EVENT, None, true));
        let (request, same) = (first.request(step()), again.request(step()));
        assert_eq!(request.span_context, same.span_context);
        assert_eq!(request.parent_span_id, SpanId::INVALID);
        let (call, other) = (first.step(step()), again.step(step()));
        assert_eq!(call.parent_span_id, request.span_context.span_id());
        assert_ne!(call.span_context.span_id(), other.span_context.span_id());
        assert_eq!(call.span_context.trace_id(), request.span_context.trace_id());
        let another = Road::of("k3f9a2c1.18/session-end", None, true).request(step());
        assert_ne!(another.span_context.trace_id(), request.span_context.trace_id());
    }

    #[test]
    fn a_requests_parent_is_the_owners_span_and_its_state_goes_along() {
        let road = Road::of(EVENT, Some((owners(1), Some("v=1"))), true);
        let (request, call) = (road.request(step()), road.step(step()));
        assert_eq!(request.span_context.trace_id(), TraceId::from_bytes([7; 16]));
        assert_eq!((request.parent_span_id, request.parent_span_is_remote), (SpanId::from_bytes([8; 8]), true));
        assert_eq!(call.span_context.trace_state().header(), "v=1");
        assert_eq!((call.parent_span_id, call.parent_span_is_remote), (request.span_context.span_id(), false));
    }

    #[test]
    fn what_nobody_requested_has_no_parent() {
        assert_eq!(Road::of(EVENT, None, false).step(step()).parent_span_id, SpanId::INVALID);
    }

    #[test]
    fn the_sampler_decides_for_the_whole_trace_and_hears_the_owner() {
        let on = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        assert!(Road::of(EVENT, None, true).is_sampled(&on));
        assert!(Road::of(EVENT, Some((owners(1), None)), true).is_sampled(&on));
        assert!(!Road::of(EVENT, Some((owners(0), None)), true).is_sampled(&on));
        let half = Sampler::TraceIdRatioBased(0.5);
        let sampled =
            (0..1000).filter(|n| Road::of(&format!("k3f9a2c1.{n}/session-end"), None, true).is_sampled(&half));
        assert!((400..600).contains(&sampled.count()));
    }
}
