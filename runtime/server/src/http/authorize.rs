//! Authorizes requests.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::caller::{Caller, Origin, Shown};
use super::client_gone::ClientGone;
use super::hosts::check_source;
use super::problem::Problem;
use crate::access::{Known, LoggedIn};
use crate::shared::Shared;

/// Authorizes a request, and passes the caller to the handler.
pub(crate) async fn authorize(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let Some(origin) = request.extensions().get::<Origin>().cloned() else {
        return Problem::unauthorized().into_response();
    };
    let caller = match let_in(&shared, &origin, request.method(), request.headers()) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let gone = request.extensions_mut().remove::<ClientGone>();
    request.extensions_mut().insert(caller.with_client(gone));
    next.run(request).await
}

/// A browser sends a cookie and HTTP Basic by itself, and it can reach a socket that somebody has forwarded to a port.
/// So a page of another site could change something here.
fn let_in(shared: &Shared, origin: &Origin, method: &Method, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = caller(shared, origin, headers)?;
    match caller.shown() {
        Shown::Bearer => return Ok(caller),
        Shown::Socket | Shown::Basic | Shown::Login(_) => shared.hosts.check(origin, headers)?,
    }
    match caller.shown() {
        _ if method.is_safe() => Ok(caller),
        Shown::Socket => check_source(headers).map(|()| caller),
        _ => Err(Problem::needs_form_token()),
    }
}

/// Returns the caller of a request.
pub(crate) fn caller(shared: &Shared, origin: &Origin, headers: &HeaderMap) -> Result<Caller, Problem> {
    // The permissions of the socket's directory protect it.
    if origin.is_socket() {
        return Ok(Caller::of_socket(origin));
    }
    let (known, shown) = shown(shared, origin, headers).ok_or_else(Problem::unauthorized)?;
    enters(shared, origin, &known)?;
    Ok(Caller::with_token(known, shown, origin))
}

/// Counts the request and the connection of a valid token.
pub(crate) fn enters(shared: &Shared, origin: &Origin, known: &Known) -> Result<(), Problem> {
    origin.becomes_known();
    shared.rates.take(&known.name, Instant::now()).map_err(Problem::too_many_requests)?;
    if let Some(tenant) = known.access.tenant()
        && !origin.enter(tenant, &shared.connections)
    {
        let detail = "this tenant has too many connections: use one for several requests, or raise the limit";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", detail));
    }
    Ok(())
}

/// Returns the token of a request, and how it was shown. A header that the client set goes before a browser's cookie.
fn shown(shared: &Shared, origin: &Origin, headers: &HeaderMap) -> Option<(Known, Shown)> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().ok()?;
        return match bearer(value) {
            Some(token) => Some((shared.tokens.find(token)?, Shown::Bearer)),
            None => Some((shared.tokens.find(&basic(value)?)?, Shown::Basic)),
        };
    }
    let login = login(shared, origin, headers)?;
    Some((shared.tokens.again(&login.known)?, Shown::Login(login.hash)))
}

/// Returns the login of the cookie that a browser sends.
pub(crate) fn login(shared: &Shared, origin: &Origin, headers: &HeaderMap) -> Option<LoggedIn> {
    shared.logins.find(cookie(headers, &login_cookie(shared, origin))?, Instant::now())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Reads HTTP Basic: the token is the password, with any user name. Without a password the user name is the token.
fn basic(value: &str) -> Option<String> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.to_owned())
}

/// Returns the name of the login cookie. Browsers separate cookies by host, not by port, so the name contains the
/// journal's name, which differs between daemons: `ssh -L` can put two daemons on one host. With TLS only our own page
/// can set a cookie of this name.
pub(crate) fn login_cookie(shared: &Shared, origin: &Origin) -> String {
    let prefix = if origin.is_tls() { "__Host-" } else { "" };
    format!("{prefix}lastword-login-{}", shared.runtime.journal_name())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(of, value)| (of == name).then_some(value))
}

/// Counts requests by route.
pub(crate) async fn count(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    // An unknown method is the client's text.
    let method = match method.as_str() {
        known @ ("DELETE" | "GET" | "HEAD" | "POST" | "PUT") => known,
        _ => "other",
    };
    shared.observer.metrics().request(method, route, response.status().as_u16());
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_what_stands_after_bearer() {
        assert_eq!(bearer("Bearer lastword_1"), Some("lastword_1"));
        assert_eq!(bearer("bearer  lastword_1 "), Some("lastword_1"));
        assert_eq!((bearer("Basic x"), bearer("lastword_1"), bearer("")), (None, None, None));
    }

    #[test]
    fn in_http_basic_the_token_is_the_password_or_the_name_where_there_is_none() {
        let basic_of = |text: &str| basic(&format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(basic_of("anybody:lastword_1").as_deref(), Some("lastword_1"));
        assert_eq!(basic_of("lastword_1:").as_deref(), Some("lastword_1"));
        assert_eq!(basic_of("a:b:c").as_deref(), Some("b:c"));
        assert_eq!(
            (basic_of("lastword_1"), basic("Basic ?"), basic("Bearer eA=="), basic("")),
            (None, None, None, None)
        );
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("xlogin=1; login-2=2;login=3 ; a=b=c"));
        headers.append(header::COOKIE, HeaderValue::from_static("later=4"));
        let found = ["login", "login-2", "later", "a", "log"].map(|name| cookie(&headers, name));
        assert_eq!(found, [Some("3"), Some("2"), Some("4"), Some("b=c"), None]);
    }
}
