//! Traces over OTLP: what a collector is sent of an event's road. What its time costs is in `timed`.

mod collector;
mod timed;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Home, Launch, Raw, http_with, start};
use collector::{Collector, Sent};

/// An owner's span: `TRACE` is its trace, `SPAN` its id.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// The steps of an event's road, in order.
const ROAD: [&str; 5] = ["session-end", "record", "wait", "call", "record outcome"];

/// The variable that asks for traces.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn traced(launch: Launch, collector: &Collector) -> Launch {
    launch.env(ENDPOINT, collector.url())
}

/// An end in our own words, with further fields.
fn end_with(id: &str, more: &str) -> String {
    format!(r#"{{"op":"end","session":{{"id":"{id}"}},"reason":"reset"{more}}}"#)
}

fn is_end(line: &Value) -> bool {
    line["event"] == "outcome" && line["hook"] == "session-end"
}

/// The spans of a trace, in the order in which they begin.
fn of_trace(sent: &[Sent], trace: &str) -> Vec<Sent> {
    let mut spans: Vec<Sent> = sent.iter().filter(|span| span.trace == trace).cloned().collect();
    spans.sort_by_key(|span| span.began);
    spans
}

fn names(spans: &[Sent]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// The spans are one road: each begins when or before the next does, and all but the first are the first one's children.
#[track_caller]
fn assert_is_road(spans: &[Sent], parent: &str) {
    assert_eq!(names(spans), ROAD, "{spans:#?}");
    assert_eq!(spans[0].parent, parent);
    for (span, next) in spans.iter().zip(&spans[1..]) {
        assert_eq!(next.parent, spans[0].id, "{spans:#?}");
        assert!(span.began <= span.ended && span.began <= next.began, "{spans:#?}");
    }
    assert!(spans[2].ended <= spans[3].began && spans[3].ended <= spans[4].began, "{spans:#?}");
}

#[test]
fn an_ends_whole_road_is_one_trace_with_the_owners_span_as_its_parent() {
    let collector = Collector::start();
    let program = traced(Launch::stdio().guest("prints"), &collector).start().ready();
    program.send([start("s1"), end_with("s1", &format!(r#","traceparent":"{PARENT}","tracestate":"v=1""#))]);
    program.line("the end's outcome", is_end);
    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let sent = collector.sent();
    let spans = of_trace(&sent, TRACE);
    assert_is_road(&spans, SPAN);
    assert!(spans.iter().all(|span| span.state == "v=1" && span.service == "lastword"), "{spans:#?}");
    let call = &spans[3].about;
    let said = |name: &str| call.get(&format!("lastword.{name}")).map_or("", String::as_str);
    let table = [
        ("tenant", "default"),
        ("session", "s1"),
        ("hook", "session-end"),
        ("plugin", "prints"),
        ("attempt", "1"),
        ("outcome", "delivered"),
        ("late", "false"),
        ("draining", "false"),
    ];
    for (name, expected) in table {
        assert_eq!(said(name), expected, "{name} in {call:#?}");
    }
    assert!(said("fuel").parse::<u64>().unwrap() > 0, "{call:#?}");
    assert!(said("delivery").ends_with("/session-end/prints"), "{call:#?}");
    assert_eq!(spans[4].about["lastword.settlement"], "delivered");

    // The start had no parent, so it is a trace of its own.
    let traces: BTreeMap<&str, usize> = sent.iter().fold(BTreeMap::new(), |mut traces, span| {
        *traces.entry(span.trace.as_str()).or_default() += 1;
        traces
    });
    assert_eq!(traces.len(), 2, "{sent:#?}");
}

#[test]
fn a_daemon_takes_the_trace_of_the_request_or_of_the_line() {
    let collector = Collector::start();
    let home = Home::new();
    let program = traced(home.serve().guest("prints"), &collector).start().ready();
    let headers = [("traceparent", PARENT)];
    let (status, said) = http_with(&home.socket(), "POST", "/v1/sessions/s1/end?wait=delivered", &headers, "{}");
    assert_eq!(status, 200, "{said}");
    collector.until("the road over HTTP", |sent| of_trace(sent, TRACE).len() == ROAD.len());
    assert_is_road(&of_trace(&collector.sent(), TRACE), SPAN);

    let other = PARENT.replacen("0af7", "1af7", 1);
    let mut owner = Raw::connect(&home.socket());
    owner.say(end_with("s2", &format!(r#","traceparent":"{other}""#)));
    owner.hear("accepted");
    let trace = TRACE.replacen("0af7", "1af7", 1);
    collector.until("the road of a raw connection", |sent| of_trace(sent, &trace).len() == ROAD.len());
    assert_is_road(&of_trace(&collector.sent(), &trace), SPAN);
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn an_invalid_parent_is_named_and_the_end_has_a_trace_of_its_own() {
    let collector = Collector::start();
    let program = traced(Launch::stdio().guest("prints"), &collector).start().ready();
    program.send([end_with("s1", r#","traceparent":"00-0af7-b7ad-01""#)]);
    let accepted = program.line("the answer", |line| line["event"] == "accepted");
    let dropped = accepted["dropped"][0].as_str().unwrap();
    assert!(dropped.starts_with("traceparent must be a W3C trace context such as "), "{accepted}");
    program.line("the end's outcome", is_end);
    program.stop();
    let sent = collector.sent();
    assert_is_road(&of_trace(&sent, &sent[0].trace), "");
}

#[test]
fn what_is_made_after_a_restart_is_part_of_the_same_trace() {
    for parent in [None, Some(PARENT)] {
        let collector = Collector::start();
        let home = Home::new();
        let program = traced(home.launch().guest("retry-by-attempt"), &collector).start().ready();
        let more = parent.map_or_else(String::new, |parent| format!(r#","traceparent":"{parent}""#));
        program.send([end_with("s1", &more)]);
        collector.until("the record of the first attempt", |sent| names(sent).contains(&"record outcome"));
        program.kill();
        let before = collector.sent();
        let (request, failed) = (&before[0], before.iter().find(|span| span.name == "call").unwrap());
        // The second attempt may have been made before the first one's spans were sent.
        assert!(names(&before).starts_with(&ROAD), "{before:#?}");
        assert_eq!(failed.about["lastword.outcome"], "failed(retry)");
        assert_eq!(request.trace == TRACE, parent.is_some());

        let program = traced(home.launch().guest("retry-by-attempt"), &collector).start().ready();
        program.line("the delivery", |line| is_end(line) && line["outcome"] == "delivered");
        program.stop();
        let sent = collector.sent();
        let later: Vec<&Sent> = sent[before.len()..].iter().filter(|span| span.name == "call").collect();
        assert!(!later.is_empty() && later.iter().all(|call| call.about["lastword.attempt"] != "1"), "{later:#?}");
        assert!(sent.iter().all(|span| span.trace == request.trace), "{sent:#?}");
        assert!(later.iter().all(|call| call.parent == request.id), "{later:#?}");
        assert_eq!(sent.iter().filter(|span| span.name == "session-end").count(), 1, "it was accepted once");
    }
}

#[test]
fn an_end_that_a_drain_makes_has_a_trace_without_a_parent() {
    let collector = Collector::start();
    let program = traced(Launch::stdio().guest("prints"), &collector).start().ready();
    program.open(["s1"]);
    assert_eq!(program.stop().code(), 0);
    let sent = collector.sent();
    let is_drained = |span: &&Sent| span.about["lastword.hook"] == "session-end";
    let drained: Vec<Sent> = sent.iter().filter(is_drained).cloned().collect();
    assert_eq!(names(&of_trace(&drained, &drained[0].trace)), ROAD[2..], "{sent:#?}");
    assert!(drained.iter().all(|span| span.parent.is_empty()), "{drained:#?}");
    let call = drained.iter().find(|span| span.name == "call").unwrap();
    assert_eq!(call.about["lastword.draining"], "true");
}

#[test]
fn a_sampler_that_samples_nothing_sends_nothing_and_an_owner_can_say_so() {
    for (sampler, flags) in [(Some("always_off"), "01"), (None, "00")] {
        let collector = Collector::start();
        let launch = traced(Launch::stdio().guest("prints"), &collector);
        let launch = match sampler {
            Some(sampler) => launch.env("OTEL_TRACES_SAMPLER", sampler),
            None => launch,
        };
        let program = launch.start().ready();
        let parent = PARENT.replace("-01", &format!("-{flags}"));
        program.send([end_with("s1", &format!(r#","traceparent":"{parent}""#))]);
        program.line("the end's outcome", is_end);
        assert_eq!(program.stop().code(), 0);
        assert!(collector.sent().is_empty(), "{:#?}", collector.sent());
    }
}

#[test]
fn what_the_environment_gets_wrong_is_told_and_the_program_goes_on() {
    for (name, value) in [(ENDPOINT, "localhost:4318"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")] {
        let launch = Launch::stdio().guest("prints").env(ENDPOINT, "http://127.0.0.1:1").env(name, value);
        let program = launch.start().ready();
        let told = program.log("there are no traces: ");
        assert!(told.contains(name) && told.contains(value), "{told}");
        program.open(["s1"]);
        assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
    }
}
