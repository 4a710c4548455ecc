//! Answers in the place of the models: every prompt with `ok`, over each of their APIs. A turn can be held open.

mod anthropic;
mod api;
mod gemini;
mod openai;

use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::watch;

use crate::board::Board;
use api::{Answer, Api};

/// A server on loopback, for as long as this process lives.
pub(crate) struct StandIn {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Whether turns are answered.
    answers: watch::Sender<bool>,
    /// How many requests a model was asked so far.
    asked: Board<usize>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { answers: watch::Sender::new(true), asked: Board::default() });
        let routes = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(shared.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, routes).await.unwrap();
            });
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whoever asks a model from now on waits.
    pub(crate) fn hold(&self) {
        self.shared.answers.send_replace(false);
    }

    /// Whoever waits is answered, and so is everybody from now on.
    pub(crate) fn release(&self) {
        self.shared.answers.send_replace(true);
    }

    /// How many requests a model was asked so far.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.read(|asked| *asked)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, body: Bytes) -> Response {
    // Codex compresses what it asks; it always wants a stream.
    let asked = serde_json::from_slice(&body).unwrap_or_else(|_| json!({"stream": true}));
    let Some(api) = Api::of(uri.path()).filter(|_| method == Method::POST) else {
        return to_other_requests(uri.path()).into_response();
    };
    shared.asked.change(|count| *count += 1);
    let mut answers = shared.answers.subscribe();
    // It cannot fail: the sender is in `shared`.
    answers.wait_for(|answers| *answers).await.ok();
    api.answer(uri.path(), &asked).into_response()
}

/// What agents ask besides: which models there are, and how many tokens a text has.
fn to_other_requests(path: &str) -> Answer {
    let model = json!({"id": "stand-in", "object": "model", "owned_by": "nobody", "name": "stand-in", "created": 1});
    let answer = if path.trim_end_matches('/').ends_with("/models") {
        json!({"object": "list", "models": [], "data": [model]})
    } else if path.contains("countTokens") {
        json!({"totalTokens": 5})
    } else if path.contains("count_tokens") {
        json!({"input_tokens": 5})
    } else {
        json!({})
    };
    Answer::json(&answer)
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, self.kind)], self.text).into_response()
    }
}
