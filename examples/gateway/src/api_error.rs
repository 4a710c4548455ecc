//! What a request is answered that is not carried out: a status by the kind of error, and JSON that says why.

use std::fmt;
use std::io;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lastword::events::FieldError;
use lastword::{InstallError, JournalError, JournalErrorKind, LoadError, Refusal};
use serde::Serialize;

/// Seconds after which a client may ask again what was refused with 429 or 503.
const RETRY_AFTER: &str = "1";

/// A request that is not carried out. In JSON `code` for programs, `message` for people, and what is at fault: `field`, `quota`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    why: Why,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Why {
    /// The runtime's own words.
    Refused(Refusal),
    Other {
        code: &'static str,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl fmt::Display) -> Self {
        Self { status, why: Why::Other { code, message: message.to_string(), field: None } }
    }

    pub(crate) fn not_found(code: &'static str, message: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn bad_field(field: &str, code: &'static str, message: impl fmt::Display) -> Self {
        FieldError::new(field, code, message.to_string()).into()
    }

    pub(crate) fn unavailable(code: &'static str, message: impl fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Refused(refusal) => write!(f, "{refusal}"),
            Why::Other { message, .. } => f.write_str(message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "a request failed");
        }
        let is_temporary = matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let mut response = (self.status, Json(self.why)).into_response();
        if is_temporary {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

/// What the table in docs/operating-embedded.md says.
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

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Field(_) => StatusCode::BAD_REQUEST,
            Refusal::Journal(error) => status_of(error.kind()),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, why: Why::Refused(refusal) }
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<InstallError> for ApiError {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Draining => Refusal::Draining.into(),
            InstallError::Journal(error) => error.into(),
            InstallError::NotInstalled(_) => Self::not_found("not_installed", error),
            InstallError::SamePluginName(_) => Self::new(StatusCode::CONFLICT, "same_plugin_name", error),
            _ => Self::internal(error),
        }
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        if error.is_of_the_machine() {
            return Self::internal(error);
        }
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_component", error)
    }
}

/// The folder of the plugins could not be read or written.
impl From<io::Error> for ApiError {
    fn from(error: io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, "folder", format_args!("the folder of the plugins cannot be used: {error}"))
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "bad_body", rejection.body_text())
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), "bad_body", rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "bad_query", rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(refusal: Refusal) -> (u16, bool) {
        let response = ApiError::from(refusal).into_response();
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
        assert_eq!(status(JournalError::OpConflict(why()).into()), (409, false));
        assert_eq!(status(JournalError::Damaged(why()).into()), (500, false));
    }

    #[test]
    fn the_answer_names_the_field() {
        let error = ApiError::bad_field("tenant", "bad_tenant", "use others");
        let said = serde_json::to_value(error.why).unwrap();
        assert_eq!(said, serde_json::json!({"code": "bad_tenant", "message": "use others", "field": "tenant"}));
    }
}
