//! Extractors. If a part of a request cannot be read, the answer is a problem document.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use lastword::events::limits::MAX_OP_ID_BYTES;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::bodies::HeldBody;
use super::caller::Caller;
use super::problem::Problem;
use crate::limits::MAX_FORM_BYTES;
use crate::shared::Shared;

/// The name of the header that is a request's `op_id`.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The query, read as a `T`.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::bad("bad_query", rejection.body_text())),
        }
    }
}

/// The parts of the path, read as a `T`.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(Problem::bad("bad_path", rejection.body_text())),
        }
    }
}

/// The body of an ordinary request. Dropping it frees its room for other bodies. A handler has to drop it before it
/// waits.
pub(crate) struct Payload(HeldBody);

impl FromRequest<Arc<Shared>> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        read(request, shared, shared.limits.body_bytes).await.map(Self)
    }
}

/// The body of a request with many lines.
pub(crate) struct Lines(HeldBody);

impl FromRequest<Arc<Shared>> for Lines {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        read(request, shared, shared.limits.events_body_bytes).await.map(Self)
    }
}

impl Lines {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// A form that a browser sent: names and values, in order.
pub(crate) struct Form(Vec<(String, String)>);

impl FromRequest<Arc<Shared>> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let body = read(request, shared, MAX_FORM_BYTES).await?;
        Ok(Self(form_urlencoded::parse(body.bytes()).into_owned().collect()))
    }
}

impl Form {
    /// Returns the first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Returns the values of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a whole body, if it comes in time and there is room.
async fn read(request: Request, shared: &Shared, most: usize) -> Result<HeldBody, Problem> {
    let tenant = request.extensions().get::<Caller>().and_then(|caller| caller.access.tenant().cloned());
    let body = request.into_body();
    if axum::body::HttpBody::size_hint(&body).lower() > most as u64 {
        return Err(too_large(most));
    }
    match timeout(shared.limits.body_timeout, copied(body, shared.bodies.begin(tenant), most)).await {
        Ok(read) => read,
        Err(_) => {
            let detail = "the body did not come in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail))
        }
    }
}

/// Copies each piece: a piece of one byte would otherwise keep a large buffer alive.
async fn copied(mut body: Body, mut held: HeldBody, most: usize) -> Result<HeldBody, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::bad("bad_body", "the body did not come to its end"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if held.bytes().len().saturating_add(piece.len()) > most {
            return Err(too_large(most));
        }
        held.push(&piece)?;
    }
    Ok(held)
}

fn too_large(most: usize) -> Problem {
    let detail = format!("the body has more than {most} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

impl Payload {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Parses the body as a JSON object. Without a body, an empty object.
    pub(crate) fn object(self) -> Result<Map<String, Value>, Problem> {
        object(self.bytes())
    }

    /// Parses the body as a `T`. Without a body, the default.
    pub(crate) fn json<T: DeserializeOwned + Default>(self) -> Result<T, Problem> {
        if self.bytes().trim_ascii().is_empty() {
            return Ok(T::default());
        }
        serde_json::from_slice(self.bytes()).map_err(|error| {
            let code = if error.is_data() { "wrong_type" } else { "bad_json" };
            Problem::bad(code, format_args!("the body cannot be read: {error}"))
        })
    }
}

/// Parses a JSON object. Without text, an empty object.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::bad("not_an_object", "the body must be a JSON object")),
        Err(error) => Err(Problem::bad("bad_json", format_args!("the body is not JSON: {error}"))),
    }
}

/// Reads the request's `op_id` from the header `Idempotency-Key`. The header's draft puts the value in quotation marks;
/// most clients do not.
pub(crate) fn op_id(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if text.is_empty() || text.len() > MAX_OP_ID_BYTES {
        let detail = format!("Idempotency-Key must have 1 to {MAX_OP_ID_BYTES} printable characters");
        return Err(Problem::bad_field("Idempotency-Key", "bad_op_id", detail));
    }
    Ok(Some(text.into()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::super::bodies::Bodies;
    use super::*;

    fn header(value: &str) -> Result<Option<Arc<str>>, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        op_id(&headers).map_err(|problem| problem.document().status())
    }

    #[test]
    fn an_idempotency_key_is_taken_with_quotation_marks_and_without() {
        assert_eq!(op_id(&HeaderMap::new()).unwrap(), None);
        assert_eq!(header("a-1").unwrap().as_deref(), Some("a-1"));
        assert_eq!(header("\"a-1\"").unwrap().as_deref(), Some("a-1"));
        assert_eq!((header(""), header(&"x".repeat(MAX_OP_ID_BYTES + 1))), (Err(400), Err(400)));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused_whether_or_not_it_says_so() {
        let read = async |body| copied(body, Bodies::new(100, 100).begin(None), 4).await;
        assert_eq!(read(Body::from("1234")).await.unwrap().bytes(), b"1234");
        assert_eq!(read(Body::from("12345")).await.unwrap_err().document().status(), 413);
        let pieces = futures_util::stream::iter(["123", "45"].map(Ok::<_, std::io::Error>));
        assert_eq!(read(Body::from_stream(pieces)).await.unwrap_err().document().status(), 413);
    }
}
