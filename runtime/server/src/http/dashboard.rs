//! The page at `/`: findings with their remedies, and the daemon's state.
//!
//! Templates that escape every value make the page. Without JavaScript it consists of tables and forms. With JavaScript
//! the page reloads its content when the stream reports an event. The page reads through the same functions as the API,
//! so the same access rules hold.

mod assets;
mod bar;
mod forms;
mod gather;
mod protect;
mod rows;
mod templates;
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

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
struct PageQuery {
    /// The number of deliveries that the form just redelivered.
    redelivered: Option<u64>,
    /// The number of deliveries that the form just dropped.
    dropped: Option<u64>,
}

impl PageQuery {
    /// Returns what the form did that led here. Empty: no form did.
    fn message(&self) -> String {
        match (self.redelivered, self.dropped) {
            (Some(0), _) => "Nothing was redelivered: it is owed already, or is not there any more.".to_owned(),
            (Some(1), _) => "1 delivery is owed again, and made as soon as its turn comes.".to_owned(),
            (Some(count), _) => {
                format!("{count} deliveries are owed again, and made as soon as their turn comes.")
            }
            (None, Some(0)) => "Nothing was dropped: it is under way, or is not there any more.".to_owned(),
            (None, Some(1)) => "1 delivery was dropped: its plugin is not called with it any more.".to_owned(),
            (None, Some(count)) => {
                format!("{count} deliveries were dropped: their plugin is not called with them any more.")
            }
            (None, None) => String::new(),
        }
    }
}

/// The routes of the page and its assets. They are no part of the API, so the description omits them.
pub(super) fn routes(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(show))
        .route("/login", get(to_page).post(forms::log_in))
        .route("/logout", post(forms::log_out))
        .route("/redeliver", post(forms::redeliver))
        .route("/drop", post(forms::drop_deliveries))
        .route("/assets/page.css", get(assets::css))
        .route("/assets/page.js", get(assets::js))
        .route("/assets/icon.svg", get(assets::icon))
        .route_layer(from_fn_with_state(shared.clone(), protect::check_host))
        .route_layer(from_fn(protect::protect))
}

async fn to_page() -> Redirect {
    Redirect::to("/")
}

/// Answers with the page, or with the login form.
async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    match caller(&shared, &origin, &headers) {
        Ok(caller) => html(&gather::dashboard(&shared, &caller, query.message()).await?),
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => login(false),
        Err(problem) => Err(problem),
    }
}

/// Answers with the login form. If the answer asked for HTTP Basic, a browser would show its own dialog instead.
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
