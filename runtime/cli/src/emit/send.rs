//! Hands an event to the daemon, in one request over its Unix socket.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, SERVER};
use hyper::{Method, Request, StatusCode};
use lastword_process::Process;
use lastword_spool::{SpooledEvent, is_older_than_this};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::time::timeout_at;

use super::answered::Answered;
use super::place;
use crate::client::exchange::{Answer, Problem, exchange, request};
use crate::limits::MAX_EMIT_ANSWER_BYTES;

/// The header of a daemon that exits when it is idle, so that a newer one can replace it.
const LEAVES_WHEN_IDLE: &str = "lastword-leaves-when-idle";

/// Hands the event over, if a daemon answers by then.
pub(super) fn send(socket: Option<&Path>, event: &SpooledEvent, by: Instant) -> Answered {
    let Ok(place) = place::socket(socket) else {
        return Answered::unanswered("nobody knows where a daemon would be");
    };
    let runtime = match Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return Answered::unanswered(error.to_string()),
    };
    let asked = async { timeout_at(by.into(), ask(&place.path, event)).await };
    runtime.block_on(asked).unwrap_or_else(|_| Answered::unanswered("the daemon has not answered in time"))
}

async fn ask(socket: &Path, event: &SpooledEvent) -> Answered {
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Answered::unanswered("no daemon answers");
        }
        Err(error) => return Answered::unanswered(error.to_string()),
    };
    let answer = match of_event(event) {
        Ok(request) => exchange(stream, request, MAX_EMIT_ANSWER_BYTES).await,
        Err(error) => return Answered::Refused(error.to_string()),
    };
    answer.map_or_else(|error| Answered::unanswered(format!("{error:#}")), |answer| understand(&answer))
}

fn of_event(event: &SpooledEvent) -> hyper::http::Result<Request<Full<Bytes>>> {
    let body = Full::new(Bytes::from(event.payload.clone()));
    request(Method::POST, &path(event)).header("idempotency-key", &event.op_id).body(body)
}

/// Returns the request's path. Omits the owner's kind: the daemon derives it from the owner.
fn path(event: &SpooledEvent) -> String {
    let mut path = format!("/v1/hooks/{}", encoded(&event.owner));
    if let Some(name) = &event.event {
        path.push('/');
        path.push_str(&encoded(name));
    }
    if let Some(Process { pid, start_time, boot_id }) = &event.process {
        // Writing to a String cannot fail.
        let _ = write!(path, "?pid={pid}&start_time={start_time}");
        if !boot_id.is_empty() {
            let _ = write!(path, "&boot_id={}", encoded(boot_id));
        }
    }
    path
}

/// Encodes a text as part of a path or of a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            byte => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

/// Interprets an answer. An event that is refused now may be taken later. Only a mistake in the request itself is
/// final, and only if no newer daemon follows.
fn understand(answer: &Answer) -> Answered {
    let Answer { status, headers, body } = answer;
    let is_outdated = is_outdated(headers);
    if status.is_success() {
        return Answered::Taken { is_outdated };
    }
    let Problem { title, detail, code } = serde_json::from_slice(body).unwrap_or_default();
    let said = detail.or(title).unwrap_or_else(|| format!("the daemon answers {status}"));
    let why = code.map_or_else(|| said.clone(), |code| format!("{code}: {said}"));
    let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::MISDIRECTED_REQUEST, StatusCode::TOO_MANY_REQUESTS];
    let may_pass = passes.contains(status);
    match status.is_client_error() && !may_pass && !is_outdated {
        true => Answered::Refused(why),
        false => Answered::Unanswered { why, is_outdated },
    }
}

fn is_outdated(headers: &HeaderMap) -> bool {
    let version = || headers.get(SERVER)?.to_str().ok()?.strip_prefix("lastword/");
    headers.contains_key(LEAVES_WHEN_IDLE) && version().is_some_and(is_older_than_this)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use lastword_spool::Stamp;

    use super::*;

    fn answered(status: u16, body: &str) -> Answered {
        let status = StatusCode::from_u16(status).unwrap();
        understand(&Answer { status, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) })
    }

    #[test]
    fn what_may_be_taken_later_is_told_from_what_never_is() {
        for status in [200, 202] {
            assert_eq!(answered(status, "{}"), Answered::Taken { is_outdated: false });
        }
        for status in [408, 421, 429, 500, 503, 507] {
            assert!(matches!(answered(status, ""), Answered::Unanswered { is_outdated: false, .. }), "{status}");
        }
        for status in [400, 404, 409, 413] {
            assert!(matches!(answered(status, ""), Answered::Refused(_)), "{status}");
        }
        let refused = answered(400, r#"{"code":"empty_id","detail":"session.id must not be empty"}"#);
        assert_eq!(refused, Answered::Refused("empty_id: session.id must not be empty".to_owned()));
    }

    #[test]
    fn what_a_daemon_refuses_that_is_older_is_for_the_next_one() {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("lastword/0.0.9"));
        headers.insert(LEAVES_WHEN_IDLE, HeaderValue::from_static("true"));
        let refused = understand(&Answer { status: StatusCode::NOT_FOUND, headers, body: Bytes::new() });
        assert!(matches!(refused, Answered::Unanswered { is_outdated: true, .. }), "{refused:?}");
    }

    #[test]
    fn only_a_daemon_that_leaves_by_itself_is_outdated_and_only_if_it_is_older() {
        let of = |server: &'static str, leaves: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(SERVER, HeaderValue::from_static(server));
            if leaves {
                headers.insert(LEAVES_WHEN_IDLE, HeaderValue::from_static("true"));
            }
            is_outdated(&headers)
        };
        assert!(of("lastword/0.0.9", true));
        let others = ["lastword/999.0.0", concat!("lastword/", env!("CARGO_PKG_VERSION")), "nginx/0.0.1", "lastword/x"];
        assert!(!of("lastword/0.0.9", false) && !others.iter().any(|other| of(other, true)));
    }

    #[test]
    fn a_request_says_whose_event_it_is_and_nothing_breaks_out_of_its_path() {
        let event = SpooledEvent::new("copilot", &Stamp::now(), Vec::new()).named(Some("a/b?c d\u{e9}"));
        assert_eq!(path(&event), "/v1/hooks/copilot/a%2Fb%3Fc%20d%C3%A9");
        let process = Process { pid: 1, start_time: 2, boot_id: "b-1".into() };
        let event = SpooledEvent { process: Some(process), event: None, ..event };
        assert_eq!(path(&event), "/v1/hooks/copilot?pid=1&start_time=2&boot_id=b-1");
        let of_macos = Process { pid: 1, start_time: 2, boot_id: String::new() };
        assert_eq!(path(&SpooledEvent { process: Some(of_macos), ..event }), "/v1/hooks/copilot?pid=1&start_time=2");
    }
}
