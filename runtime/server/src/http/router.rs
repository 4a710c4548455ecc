//! The API: its routes, authorization and description.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorize::{authorize, count};
use super::dashboard;
use super::problem::{PROBLEM_JSON, Problem, ProblemDocument};
use super::routes::sessions::turn;
use super::routes::{daemon, deliveries, events, health, hooks, nodes, owners, sessions, stream};
use crate::shared::Shared;

/// The program's name and version.
const SERVER: &str = concat!("lastword/", env!("CARGO_PKG_VERSION"));

/// Announces that the program exits when it is idle.
const LEAVES_WHEN_IDLE: &str = "lastword-leaves-when-idle";

/// The name of the security scheme for tokens.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lastword",
        description = "The daemon of Lastword: owners say what happens to their sessions, and plugins are told of every end. Over the Unix \
                       socket no token is needed: whoever can open it is operator of all tenants.",
        license(name = "Apache-2.0 WITH LLVM-exception")
    ),
    components(schemas(ProblemDocument))
)]
struct Description;

/// The routes that need authorization.
fn guarded() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(owners::register_owner, owners::drain_owner))
        .routes(routes!(sessions::list_sessions, sessions::start_session))
        .routes(routes!(sessions::end_session))
        .routes(routes!(sessions::compact_session))
        .routes(routes!(turn::note_turn))
        .routes(routes!(events::take_events))
        .routes(routes!(hooks::take_hook))
        .routes(routes!(hooks::take_named_hook))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::redeliver_deliveries))
        .routes(routes!(deliveries::drop_deliveries))
        .routes(routes!(daemon::drain_daemon))
        .routes(routes!(daemon::hand_over))
        .routes(routes!(daemon::reload_daemon))
        .routes(routes!(daemon::show_status))
        .routes(routes!(nodes::show_nodes))
        .routes(routes!(stream::watch_stream))
        .routes(routes!(health::show_metrics))
}

/// The API.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let guarded = guarded().route_layer(from_fn_with_state(shared.clone(), authorize));
    let (router, mut description) =
        guarded.routes(routes!(health::is_healthy)).routes(routes!(health::is_ready)).split_for_parts();
    complete(&mut description);
    // The description is the same for everybody, so it is serialized once.
    let description = Bytes::from(serde_json::to_vec(&description).unwrap_or_default());
    let described = move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], description.clone()));
    router
        .route("/openapi.json", get(described))
        .merge(dashboard::routes(&shared))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(shared.clone(), count))
        .layer(from_fn(no_store))
        .layer(from_fn_with_state(shared.clone(), announce))
        .with_state(shared)
}

/// Adds to every route its problems and its security.
fn complete(description: &mut utoipa::openapi::OpenApi) {
    let components = description.components.get_or_insert_with(Components::new);
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    components.add_security_scheme(TOKEN, scheme);
    for (path, item) in &mut description.paths.paths {
        let is_open = ["/healthz", "/readyz"].contains(&path.as_str());
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_problem(operation);
            if !is_open {
                operation.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
            }
        }
    }
}

fn add_problem(operation: &mut Operation) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description("It is not carried out; `code` says why, and `detail` what to do.")
        .content(PROBLEM_JSON, content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}

async fn not_found() -> Problem {
    Problem::not_found()
}

async fn method_not_allowed() -> Problem {
    let detail = "this cannot be done here; the header Allow says what can";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// Forbids caching: answers change at any moment, and contain other people's names.
async fn no_store(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let mut response = next.run(request).await;
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(value);
    response
}

/// Announces the version: a hook of a newer version asks an older daemon to hand over.
async fn announce(
    State(shared): State<Arc<Shared>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
    if shared.leaves_when_idle {
        headers.insert(LEAVES_WHEN_IDLE, HeaderValue::from_static("true"));
    }
    response
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = match panic.downcast::<&str>() {
        Ok(text) => (*text).to_owned(),
        Err(panic) => panic.downcast::<String>().map(|text| *text).unwrap_or_default(),
    };
    tracing::error!(panic = text, "a handler has panicked, which is a defect of lastword");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this is a defect of lastword; its log says more")
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_with_its_problems() {
        let (_, mut description) =
            guarded().routes(routes!(health::is_healthy)).routes(routes!(health::is_ready)).split_for_parts();
        complete(&mut description);
        let json = serde_json::to_value(&description).unwrap();
        let paths = json["paths"].as_object().unwrap();
        let described: Vec<&str> = paths.keys().map(String::as_str).collect();
        for path in [
            "/v1/owners/{owner}",
            "/v1/sessions",
            "/v1/sessions/{id}/end",
            "/v1/sessions/{id}/compaction",
            "/v1/sessions/{id}/turn",
            "/v1/events",
            "/v1/hooks/{owner-kind}",
            "/v1/hooks/{owner-kind}/{event}",
            "/v1/deliveries",
            "/v1/deliveries/redeliver",
            "/v1/deliveries/drop",
            "/v1/drain",
            "/v1/hand-over",
            "/v1/reload",
            "/v1/status",
            "/v1/nodes",
            "/v1/stream",
            "/metrics",
            "/healthz",
            "/readyz",
        ] {
            assert!(described.contains(&path), "{path} is not in {described:?}");
        }
        for operations in paths.values() {
            for operation in operations.as_object().unwrap().values() {
                let problem = &operation["responses"]["default"]["content"][PROBLEM_JSON]["schema"]["$ref"];
                assert_eq!(problem, "#/components/schemas/Problem");
            }
        }
        assert_eq!(json["components"]["schemas"]["Problem"]["type"], "object");
    }
}
