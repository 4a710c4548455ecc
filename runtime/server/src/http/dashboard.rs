//! The page at `/`, for those who would rather look: what is wrong and what to do, and all there is besides.
//!
//! One page, made by templates that escape all they show. Without JavaScript it is tables and forms; with it the page asks for itself again
//! when the stream says that something has happened. What it says is gathered by what answers for the API as well, so its walls are the same.

mod assets;
mod bar;
mod forms;
mod gather;
mod protect;
mod rows;
mod templates;
mod units;
mod unmade;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::authorize::caller;
use super::caller::Origin;
use super::extract::Query;
use super::problem::Problem;
use crate::shared::Shared;
use templates::LoginPage;
pub(crate) use unmade::Unmade;

/// What the page was asked for with.
#[derive(Debug, Default, Deserialize)]
struct PageQuery {
    /// So many deliveries were redelivered a moment ago.
    redelivered: Option<u64>,
}

/// The page, and what it needs. It is no part of the API, so no description has it.
pub(super) fn routes(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(show))
        .route("/login", get(to_page).post(forms::log_in))
        .route("/logout", post(forms::log_out))
        .route("/redeliver", post(forms::redeliver))
        .route("/assets/page.css", get(assets::css))
        .route("/assets/page.js", get(assets::js))
        .route("/assets/icon.svg", get(assets::icon))
        .route_layer(from_fn_with_state(shared.clone(), protect::check_host))
        .route_layer(from_fn(protect::protect))
}

async fn to_page() -> Redirect {
    Redirect::to("/")
}

/// The page, or the form for the token.
async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    match caller(&shared, &origin, &headers) {
        Ok(caller) => html(&gather::dashboard(&shared, &caller, query.redelivered).await?),
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => login(false),
        Err(problem) => Err(problem),
    }
}

/// The form for the token. A browser that was asked for HTTP Basic would show a window of its own in its place.
fn login(is_wrong: bool) -> Result<Response, Problem> {
    let mut response = html(&LoginPage { is_wrong })?;
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Ok(response)
}

fn html(page: &impl Template) -> Result<Response, Problem> {
    match page.render() {
        Ok(text) => Ok(Html(text).into_response()),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error)),
    }
}
