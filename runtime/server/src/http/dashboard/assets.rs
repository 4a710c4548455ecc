//! The files of the page. They are the same for everybody and contain no data.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

pub(super) async fn css() -> Response {
    file("text/css; charset=utf-8", include_str!("../../../assets/page.css"))
}

pub(super) async fn js() -> Response {
    file("text/javascript; charset=utf-8", include_str!("../../../assets/page.js"))
}

pub(super) async fn icon() -> Response {
    file("image/svg+xml", include_str!("../../../assets/icon.svg"))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}
