//! The page's forms. Each has the access rules of the API's request for the same action, and proves that it was sent
//! from our own page.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::login;
use crate::access::Needs;
use crate::http::authorize::{caller, enters, login as known_login, login_cookie};
use crate::http::caller::{Caller, Origin, Shown};
use crate::http::extract::Form;
use crate::http::hosts::check_source;
use crate::http::problem::Problem;
use crate::http::routes::deliveries;
use crate::limits::LOGIN_KEPT;
use crate::shared::Shared;

/// The caller that sends a form. It is authorized before the body is read.
pub(super) struct Sender(Caller);

impl FromRequestParts<Arc<Shared>> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let origin = parts.extensions.get::<Origin>().ok_or_else(Problem::unauthorized)?;
        Ok(Self(caller(shared, origin, &parts.headers)?))
    }
}

/// Begins a login for a token.
pub(super) async fn log_in(
    State(shared): State<Arc<Shared>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Problem> {
    // Otherwise a page of another site could log a browser in with a token of its own.
    check_source(&headers)?;
    if origin.is_socket() {
        return Ok(Redirect::to("/").into_response());
    }
    let token = form.get("token").unwrap_or_default().trim();
    let Some(known) = shared.tokens.find(token) else { return login(true) };
    enters(&shared, &origin, &known)?;
    let text = shared.logins.begin(known, Instant::now()).map_err(|error| Problem::nothing_random(&error))?;
    // The new cookie replaces that of the earlier login, so nobody could end that login any more.
    if let Some(before) = known_login(&shared, &origin, &headers) {
        shared.logins.end(&before.hash);
    }
    Ok(to_page_with(&cookie(&shared, &origin, &text, LOGIN_KEPT.as_secs())))
}

/// Ends a login.
pub(super) async fn log_out(
    State(shared): State<Arc<Shared>>,
    Extension(origin): Extension<Origin>,
    Sender(caller): Sender,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Problem> {
    check_form(&shared, &caller, &headers, &form)?;
    if let Shown::Login(hash) = caller.shown() {
        shared.logins.end(&hash);
    }
    Ok(to_page_with(&cookie(&shared, &origin, "", 0)))
}

/// Redelivers dead deliveries: the named ones, or all of a plugin.
pub(super) async fn redeliver(
    State(shared): State<Arc<Shared>>,
    Sender(caller): Sender,
    headers: HeaderMap,
    form: Form,
) -> Result<Redirect, Problem> {
    caller.needs(Needs::Operate)?;
    check_form(&shared, &caller, &headers, &form)?;
    let (named, plugin) = meant(&form)?;
    let changed = deliveries::redeliver(&shared, &caller, &named, plugin).await?;
    Ok(Redirect::to(&format!("/?redelivered={changed}")))
}

/// Drops deliveries: the named ones, or all of a plugin in one state. The page has asked before whether it should.
pub(super) async fn drop_deliveries(
    State(shared): State<Arc<Shared>>,
    Sender(caller): Sender,
    headers: HeaderMap,
    form: Form,
) -> Result<Redirect, Problem> {
    caller.needs(Needs::Operate)?;
    check_form(&shared, &caller, &headers, &form)?;
    let (named, plugin) = meant(&form)?;
    let all = match (plugin, form.get("state")) {
        (None, _) => None,
        (Some(plugin), Some(state)) => Some((plugin, state)),
        // Otherwise what the plugin is still to be called with would be dropped as well.
        (Some(_), None) => {
            let detail = "say which deliveries of the plugin: dead, orphaned or owed";
            return Err(Problem::bad_field("state", "missing_field", detail));
        }
    };
    let changed = deliveries::drop_chosen(&shared, &caller, &named, all).await?;
    Ok(Redirect::to(&format!("/?dropped={changed}")))
}

/// Returns the deliveries that a form names, or else the plugin that it names.
fn meant(form: &Form) -> Result<(Vec<String>, Option<&str>), Problem> {
    let named: Vec<String> = form.all("delivery").map(str::to_owned).collect();
    let plugin = form.get("plugin");
    if named.is_empty() == plugin.is_none() {
        let detail = "name the deliveries, or a plugin, and not both";
        return Err(Problem::bad_field("delivery", "missing_field", detail));
    }
    Ok((named, plugin))
}

/// Refuses a form of any page but the one that was shown to this login.
fn check_form(shared: &Shared, caller: &Caller, headers: &HeaderMap, form: &Form) -> Result<(), Problem> {
    let Some(binding) = caller.form_binding() else { return Ok(()) };
    check_source(headers)?;
    match shared.forms.is(&binding, form.get("form").unwrap_or_default()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::needs_form_token()),
        Err(error) => Err(Problem::nothing_random(&error)),
    }
}

/// Makes the login cookie: no script reads it, no page of another site has it sent, and with TLS it is never sent in
/// the clear.
fn cookie(shared: &Shared, origin: &Origin, value: &str, seconds: u64) -> String {
    let secure = if origin.is_tls() { "; Secure" } else { "" };
    let name = login_cookie(shared, origin);
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn to_page_with(cookie: &str) -> Response {
    ([(header::SET_COOKIE, cookie.to_owned())], Redirect::to("/")).into_response()
}
