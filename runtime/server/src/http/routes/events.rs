//! `POST /v1/events`: many events in one body, a line each, as on stdio.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use lastword::events::{DeliveryId, Identity};
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::{Input, OwnerEvent};
use lastword_protocol::owners::InputFormat;
use lastword_protocol::reader::{ReadLine, Reader};
use serde::Serialize;
use tokio::time::Instant;

use crate::access::Needs;
use crate::http::accept::{find_owner, for_tenant};
use crate::http::caller::Caller;
use crate::http::extract::{Lines, Query, op_id};
use crate::http::outcomes::{DeliveryOutcome, WaitQuery, outcomes};
use crate::http::owner_query::OwnerQuery;
use crate::http::problem::Problem;
use crate::http::request_trace::RequestTrace;
use crate::http::waits::wait_place;
use crate::limits::{BODY_PIECE_BYTES, MAX_EVENTS_IN_A_BODY, MAX_PENDING_ANSWERS};
use crate::owners::OwnerId;
use crate::requests::{Source, refused_line, take_in, take_in_other};
use crate::shared::Shared;

/// The type of lines of JSON.
const NDJSON: &str = "application/x-ndjson";

/// The outcome of a delivery, as a line.
#[derive(Serialize)]
struct SettledLine {
    event: &'static str,
    #[serde(flatten)]
    outcome: DeliveryOutcome,
}

/// The answer to a line, and the deliveries that are owed for it.
type Answer = BoxFuture<'static, (Vec<u8>, Vec<DeliveryId>)>;

/// Takes many events, a line each, as `lastword stdio` does.
///
/// Each line has its own answer, in the order of the lines: `accepted` or `error`. With `?wait=delivered` lines with
/// the outcomes of the deliveries follow. A line without an `op_id` gets the `Idempotency-Key` and its line number, if
/// the request has that header.
#[utoipa::path(
    post,
    path = "/v1/events",
    params(
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The name of the whole body: the same one again does nothing"),
        ("traceparent" = Option<String>, Header, description = "The trace that the request is part of (W3C Trace Context)"),
        ("tracestate" = Option<String>, Header, description = "What tracing systems have added to it")
    ),
    request_body(content = String, content_type = "application/x-ndjson", description = "Lines of the stdio protocol"),
    responses((status = 200, description = "An answer for each line", body = String, content_type = "application/x-ndjson"))
)]
pub(crate) async fn take_events(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(owner): Query<OwnerQuery>,
    Query(wait): Query<WaitQuery>,
    headers: HeaderMap,
    body: Lines,
) -> Result<Response, Problem> {
    caller.needs(Needs::Own)?;
    let until = wait.until(shared.limits.wait)?;
    // A mistake in the owner applies to every line.
    owner.said()?;
    let op_id = op_id(&headers)?;
    let lines = count_lines(body.bytes())?;
    charge(&shared, &caller, lines.saturating_sub(1))?;
    let token = caller.token().map(|token| token.name.clone());
    let waiting = until.map(|_| wait_place(&shared, &caller)).transpose()?;
    let client = caller.clone();
    let batch = Batch {
        shared: &shared,
        caller,
        owner,
        op_id,
        trace: RequestTrace::of(&headers),
        owners: HashMap::new(),
        left: MAX_EVENTS_IN_A_BODY + 1,
    };
    let mut answers = Answers::new(until.is_some());
    let taken = batch.take_all(body, &mut answers).await;
    if let Some(token) = &token {
        // Charges the further events of lines that have several.
        shared.rates.owe(taken.saturating_sub(lines), token, std::time::Instant::now());
    }
    answers.all().await;
    let Answers { mut text, deliveries, .. } = answers;
    if let Some(until) = until {
        client.unless_gone(tell_outcomes(&shared, &deliveries, until, &mut text)).await;
    }
    drop(waiting);
    Ok(([(header::CONTENT_TYPE, NDJSON)], text).into_response())
}

/// Counts the lines. A body with too many is refused before any event is taken.
fn count_lines(body: &[u8]) -> Result<usize, Problem> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    if lines > MAX_EVENTS_IN_A_BODY {
        let detail = format!("the body has more than {MAX_EVENTS_IN_A_BODY} lines: send them in several");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_lines", detail));
    }
    Ok(lines)
}

/// Charges each line as a request. The body was charged as the first.
fn charge(shared: &Shared, caller: &Caller, lines: usize) -> Result<(), Problem> {
    let Some(token) = caller.token() else { return Ok(()) };
    shared.rates.take_many(lines, &token.name, std::time::Instant::now()).map_err(Problem::too_many_requests)
}

/// The answers to the lines so far, in their order.
struct Answers {
    pending: FuturesOrdered<Answer>,
    text: Vec<u8>,
    /// The deliveries that are owed for the lines, if the request waits for them.
    deliveries: Vec<DeliveryId>,
    with_deliveries: bool,
}

impl Answers {
    fn new(with_deliveries: bool) -> Self {
        Self { pending: FuturesOrdered::new(), text: Vec::new(), deliveries: Vec::new(), with_deliveries }
    }

    /// Adds an answer, and waits for the first one if too many are pending.
    async fn push(&mut self, answer: Answer) {
        if self.pending.len() >= MAX_PENDING_ANSWERS {
            self.first().await;
        }
        self.pending.push_back(answer);
    }

    async fn all(&mut self) {
        while self.first().await {}
    }

    /// Waits for the first pending answer. Returns false if there is none.
    async fn first(&mut self) -> bool {
        let Some((answer, mut owed)) = self.pending.next().await else { return false };
        self.text.extend_from_slice(&answer);
        if self.with_deliveries {
            self.deliveries.append(&mut owed);
        }
        true
    }
}

/// Collects at most `most` lines, without blank ones.
fn keep(lines: &mut Vec<ReadLine>, most: usize) -> impl FnMut(ReadLine) {
    move |line| {
        if lines.len() < most && !matches!(line.input, Ok(Input::Blank)) {
            lines.push(line);
        }
    }
}

/// The lines of one body.
struct Batch<'a> {
    shared: &'a Arc<Shared>,
    caller: Caller,
    owner: OwnerQuery,
    op_id: Option<Arc<str>>,
    /// The trace of the whole body.
    trace: Option<RequestTrace>,
    /// The owner that the request names, by tenant.
    owners: HashMap<Arc<str>, Option<OwnerId>>,
    /// The number of events that may still be read. The last of them is refused: one line may have several events.
    left: usize,
}

impl Batch<'_> {
    /// Takes all lines, one piece of the body at a time, so that few lines are in memory and no thread is blocked for
    /// long. Returns the number of events read.
    async fn take_all(mut self, body: Lines, answers: &mut Answers) -> usize {
        let most = self.left;
        let mut reader = Reader::new(InputFormat::Lastword);
        for piece in body.bytes().chunks(BODY_PIECE_BYTES) {
            let mut lines = Vec::new();
            reader.push(piece, &mut keep(&mut lines, self.left));
            self.take_these(lines, answers).await;
            if self.left == 0 {
                return most;
            }
            tokio::task::yield_now().await;
        }
        drop(body);
        let mut lines = Vec::new();
        reader.end(&mut keep(&mut lines, self.left));
        self.take_these(lines, answers).await;
        most.saturating_sub(self.left)
    }

    async fn take_these(&mut self, lines: Vec<ReadLine>, answers: &mut Answers) {
        for line in lines {
            if let Some(answer) = self.take(line) {
                answers.push(answer).await;
            }
        }
    }

    /// Returns the answer of a line. `None` for a blank one.
    fn take(&mut self, line: ReadLine) -> Option<Answer> {
        let ReadLine { number, input } = line;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            let message = format!("what follows is not read: a body may have {MAX_EVENTS_IN_A_BODY} events");
            return Some(refused(number, &BadLine::field("op", "too_many_lines", message)));
        }
        let bad = match input {
            Ok(Input::Event(event)) => match self.ask(number, *event) {
                Ok(answer) => return Some(answer),
                Err(bad) => bad,
            },
            Ok(Input::Blank) => return None,
            Ok(Input::Unrelated { name, session }) => {
                self.note(&name, session);
                return None;
            }
            Ok(Input::Foreign(foreign)) => foreign.error?,
            Ok(Input::Shutdown(_)) => {
                let message = "an owner says goodbye with DELETE /v1/owners/{owner}, and not here";
                BadLine::field("op", "unknown_op", message)
            }
            Err(bad) => bad,
        };
        Some(refused(number, &bad))
    }

    /// Notes that the session of an ignored event lives, if the caller may see its tenant.
    fn note(&self, name: &str, session: Option<Identity>) {
        let Some(mut identity) = session else { return };
        let is_seen = for_tenant(&self.caller, self.owner.tenant.as_deref(), &mut identity).is_ok();
        if is_seen && identity.validate().is_ok() {
            take_in_other(self.shared, &Source::default(), name, Some(&identity));
        }
    }

    fn ask(&mut self, number: u64, mut event: OwnerEvent) -> Result<Answer, BadLine> {
        let identity = &mut event.session.identity;
        for_tenant(&self.caller, self.owner.tenant.as_deref(), identity)
            .map_err(|_| BadLine::field("session.tenant", "not_found", "there is no such tenant"))?;
        // An invalid session registers no owner either.
        identity.unscoped().validate()?;
        let tenant = identity.tenant.clone();
        let kind = event.session.owner_kind.clone();
        let owner = self.owner_of(&tenant, kind.as_deref(), &mut event.dropped);
        if event.op_id.is_none() {
            event.op_id = self.op_id.as_ref().map(|key| format!("{key}/{number}").into());
        }
        if let Some(trace) = &self.trace {
            trace.brings(&mut event);
        }
        let answer = take_in(self.shared, &Source { owner, connection: None }, event);
        Ok(Box::pin(async move {
            let answered = answer.await;
            let deliveries = answered.result.as_ref().map(|accepted| accepted.deliveries.clone());
            (answered.line(number), deliveries.unwrap_or_default())
        }))
    }

    /// Registers the owner once for each tenant. The first line of a tenant lists the dropped parts.
    fn owner_of(&mut self, tenant: &Arc<str>, kind: Option<&str>, dropped: &mut Vec<String>) -> Option<OwnerId> {
        if let Some(owner) = self.owners.get(tenant) {
            return *owner;
        }
        let (owner, mut left_out) =
            find_owner(self.shared, &self.caller, &self.owner, kind, tenant).unwrap_or_default();
        dropped.append(&mut left_out);
        self.owners.insert(tenant.clone(), owner);
        owner
    }
}

/// The answer to a refused line.
fn refused(number: u64, bad: &BadLine) -> Answer {
    Box::pin(std::future::ready((refused_line(number, bad), Vec::new())))
}

async fn tell_outcomes(shared: &Shared, deliveries: &[DeliveryId], until: Instant, text: &mut Vec<u8>) {
    for outcome in outcomes(shared, deliveries, until).await {
        // Writing to a vector cannot fail.
        serde_json::to_writer(&mut *text, &SettledLine { event: "settled", outcome }).ok();
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_so_many_lines_and_empty_ones_count_for_nothing() {
        assert_eq!(count_lines(b"{}\n\n\n{}").unwrap(), 2);
        assert_eq!(count_lines("{}\n".repeat(MAX_EVENTS_IN_A_BODY).as_bytes()).unwrap(), MAX_EVENTS_IN_A_BODY);
        assert!(count_lines("{}\n".repeat(MAX_EVENTS_IN_A_BODY + 1).as_bytes()).is_err());
    }

    #[test]
    fn of_a_line_with_many_events_no_more_are_kept_than_are_looked_at() {
        let (mut lines, mut reader) = (Vec::new(), Reader::new(InputFormat::Lastword));
        reader.push(b"\n\n\n{}{}{}{}{}\n", &mut keep(&mut lines, 3));
        let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [4, 4, 4]);
    }
}
