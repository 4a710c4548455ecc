//! Problem documents (RFC 9457), which answer refused requests. The codes are those of stdio.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lastword::events::FieldError;
use lastword::{JournalError, JournalErrorKind, Refusal};
use lastword_protocol::bad_line::BadLine;
use serde::Serialize;
use utoipa::ToSchema;

/// The type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A refused request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    quota: Option<&'static str>,
    hint: Option<&'static str>,
    /// The number of seconds after which a retry may succeed.
    retry_after: Option<u64>,
}

/// Why the daemon refuses a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// `about:blank`: the status tells the kind of the problem, and `code` the problem.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// A stable code for programs, the same as on stdio.
    code: &'static str,
    /// The mistake and the remedy, for people.
    detail: String,
    /// The field with the mistake, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The exhausted quota, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<&'static str>,
    /// The remedy, in a word or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl fmt::Display) -> Self {
        let is_temporary = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        Self {
            status,
            code,
            detail: detail.to_string(),
            field: None,
            quota: None,
            hint: None,
            retry_after: is_temporary.then_some(1),
        }
    }

    /// A mistake in the request itself.
    pub(crate) fn bad(code: &'static str, detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// A part of the request that cannot be read.
    pub(crate) fn bad_field(field: &str, code: &'static str, detail: impl fmt::Display) -> Self {
        Self { field: Some(field.to_owned()), ..Self::bad(code, detail) }
    }

    /// Names the field of the mistake.
    pub(crate) fn of_field(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    /// The answer for a missing resource and for another tenant's.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    /// The caller is unknown.
    pub(crate) fn unauthorized() -> Self {
        let detail = "send a token that is valid: Authorization: Bearer lastword_…";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// The caller's role does not allow it.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "the role of the token does not allow this")
    }

    /// A page of another site may have sent this.
    pub(crate) fn needs_form_token() -> Self {
        let detail = "a login in a browser and HTTP Basic change nothing by themselves: send Authorization: Bearer lastword_…, or use the \
                      page's own form, and load the page anew if its form is old";
        Self::new(StatusCode::FORBIDDEN, "form_token", detail)
    }

    /// The system gives no random bytes for logins and forms.
    pub(crate) fn nothing_random(error: &crate::BadToken) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_random", error)
    }

    /// A pid that the server does not believe.
    pub(crate) fn not_visible(why: &str) -> Self {
        let code = lastword_process::NotVisible::CODE;
        let hint = Some(lastword_process::NotVisible::HINT);
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, why);
        Self { field: Some("pid".to_owned()), hint, ..problem }
    }

    /// The caller asks too often.
    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        let detail = "this token has asked too often: slow down, or raise the limit";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        Self { retry_after: Some(wait.as_secs().max(1)), ..problem }
    }

    /// Whether a retry of the same request may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        // An operator can add a name to the configuration, and a spool must keep the hook until then.
        let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::MISDIRECTED_REQUEST, StatusCode::TOO_MANY_REQUESTS];
        !self.status.is_client_error() || passes.contains(&self.status)
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the code for programs.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the code for programs and the sentence for people.
    pub(crate) fn words(self) -> (&'static str, String) {
        (self.code, self.detail)
    }

    /// Returns the document for the client.
    pub(crate) fn document(self) -> ProblemDocument {
        let Self { status, code, detail, field, quota, hint, .. } = self;
        ProblemDocument {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            code,
            detail,
            field,
            quota,
            hint,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(code = self.code, detail = self.detail, "a request failed");
        }
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
impl ProblemDocument {
    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

/// The table in docs/operating-embedded.md.
fn status_of(error: JournalErrorKind) -> StatusCode {
    match error {
        JournalErrorKind::Full => StatusCode::INSUFFICIENT_STORAGE,
        JournalErrorKind::Busy => StatusCode::TOO_MANY_REQUESTS,
        JournalErrorKind::OpConflict => StatusCode::CONFLICT,
        JournalErrorKind::Closed | JournalErrorKind::NotBegun | JournalErrorKind::Unavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Field(_) => StatusCode::BAD_REQUEST,
            Refusal::Journal(error) => status_of(error.kind()),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let quota = match &refusal {
            Refusal::Quota { what, .. } => Some(what.as_str()),
            _ => None,
        };
        let field = refusal.field().map(str::to_owned);
        Self { field, quota, ..Self::new(status, refusal.code(), &refusal) }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<BadLine> for Problem {
    fn from(bad: BadLine) -> Self {
        Self { field: bad.field, ..Self::bad(bad.code, bad.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(refusal: Refusal) -> (u16, bool) {
        let response = Problem::from(refusal).into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        (response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER))
    }

    #[test]
    fn a_refusal_has_the_status_of_its_kind_and_says_when_to_ask_again() {
        let why = || "why".to_owned();
        assert_eq!(status(Refusal::Draining), (503, true));
        assert_eq!(status(FieldError::new("session.id", "empty_id", why()).into()), (400, false));
        assert_eq!(status(JournalError::Full(why()).into()), (507, false));
        assert_eq!(status(JournalError::Busy(why()).into()), (429, true));
        assert_eq!(status(JournalError::Closed.into()), (503, true));
        assert_eq!(status(JournalError::Unavailable(why()).into()), (503, true));
        assert_eq!(status(JournalError::Unwritable(why()).into()), (500, false));
        assert_eq!(status(JournalError::OpConflict(why()).into()), (409, false));
    }

    #[test]
    fn what_can_be_mended_at_the_daemon_may_pass() {
        let may_pass = |status: u16| Problem::new(StatusCode::from_u16(status).unwrap(), "code", "why").may_pass();
        assert_eq!([408, 421, 429, 500, 503].map(may_pass), [true; 5]);
        assert_eq!([400, 404, 409, 413, 422].map(may_pass), [false; 5]);
    }

    #[test]
    fn a_problem_has_the_members_of_the_standard_and_the_code_of_stdio() {
        let problem = Problem::from(FieldError::new("session.id", "empty_id", "session.id must not be empty"));
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Bad Request", "status": 400,
            "code": "empty_id", "detail": "session.id must not be empty", "field": "session.id",
        });
        assert_eq!(serde_json::to_value(problem.document()).unwrap(), expected);
    }
}
