//! Prepares a guest's request: reads its destination, and rewrites the parts that could lead it elsewhere.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{self, CONNECTION, CONTENT_LENGTH, HOST, UPGRADE},
    request::Parts,
    uri::PathAndQuery,
};

use crate::{
    destination::{Destination, ParseDestinationError},
    error::EgressError,
    limits::Limits,
};

/// Headers for the next hop, not for the server (RFC 9110, section 7.6.1). hyper writes its own framing.
/// `http2-settings` belongs to an upgrade.
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("http2-settings"),
];

/// Returns the destination of the request, from its URI alone: a host header is the guest's claim.
pub(crate) fn destination(uri: &Uri) -> Result<Destination, EgressError> {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => Destination::from_parts(scheme, authority.as_str()),
        _ => Err(ParseDestinationError::unreadable(uri)),
    }
    .map_err(EgressError::InvalidUri)
}

/// Returns the request as it is sent to `destination`.
pub(crate) fn rewrite<B>(
    request: Request<B>,
    destination: &Destination,
    limits: Limits,
) -> Result<Request<B>, EgressError> {
    let (mut parts, body) = request.into_parts();
    refuse_tunnels(&parts)?;
    parts.uri = origin_form(&parts)?;
    check_content_length(&parts.headers, limits)?;
    strip_hop_by_hop(&mut parts.headers);
    // `insert` replaces all previous values.
    let host = HeaderValue::try_from(destination.authority())
        .map_err(|_| EgressError::InvalidUri(ParseDestinationError::unreadable(&parts.uri)))?;
    parts.headers.insert(HOST, host);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(Request::from_parts(parts, body))
}

fn refuse_tunnels(parts: &Parts) -> Result<(), EgressError> {
    if parts.method == Method::CONNECT {
        return Err(EgressError::TunnelRefused);
    }
    if parts.headers.contains_key(UPGRADE) || connection_options(&parts.headers).any(|option| option == "upgrade") {
        return Err(EgressError::UpgradeRefused);
    }
    Ok(())
}

/// Returns the path and the query alone. With a scheme and an authority a server may act as a proxy (RFC 9112, section
/// 3.2.2), and a path may be any string of the guest, such as `http://elsewhere/`.
fn origin_form(parts: &Parts) -> Result<Uri, EgressError> {
    let path = match parts.uri.path_and_query() {
        None => PathAndQuery::from_static("/"),
        Some(path) if path.as_str().starts_with('/') => path.clone(),
        Some(path) if path.as_str() == "*" && parts.method == Method::OPTIONS => path.clone(),
        // `http://host?query` has an empty path, which is sent, and displayed, as "/".
        Some(path) if path.as_str().is_empty() || path.as_str().starts_with('?') => {
            PathAndQuery::try_from(path.to_string()).map_err(|_| EgressError::InvalidPath)?
        }
        Some(_) => return Err(EgressError::InvalidPath),
    };
    Ok(Uri::from(path))
}

fn check_content_length(headers: &HeaderMap, limits: Limits) -> Result<(), EgressError> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(()) };
    let digits = value.to_str().ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let length: Option<u64> = digits.and_then(|digits| digits.parse().ok());
    match (length, values.next()) {
        (Some(length), None) if length > limits.max_request_body_bytes => {
            Err(EgressError::RequestBodyTooLarge { limit_bytes: limits.max_request_body_bytes })
        }
        (Some(_), None) => Ok(()),
        _ => Err(EgressError::InvalidContentLength),
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers).filter_map(|option| option.parse().ok()).collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Returns the names in the connection headers, in lower case.
fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|option| String::from_utf8_lossy(option).trim().to_ascii_lowercase())
}
