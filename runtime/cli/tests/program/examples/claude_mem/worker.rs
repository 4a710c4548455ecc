//! A fake of claude-mem's worker: it keeps a row for each session, as the real one's database does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::examples::server::{Answer, Request, Server};

const INIT: &str = "/api/sessions/init";
const END: &str = "/api/sessions/session-end";

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Condition {
    #[default]
    Well,
    /// It answers 500, and does nothing.
    Broken,
    /// It opens rows, and says so when nobody listens any more.
    Slow,
}

pub(super) struct Worker {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    condition: Condition,
    rows: BTreeMap<Name, Row>,
}

/// Content session id and platform: a row is found by both.
type Name = (String, String);

enum Row {
    Active,
    Ended(String),
}

impl Worker {
    /// A worker that is up and well.
    pub(super) fn new() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let served = state.clone();
        let mut server = Server::new(move |request| lock(&served).serve(&request));
        server.up();
        Self { server, state }
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    pub(super) fn up(&mut self) {
        self.server.up();
    }

    /// Its rows are kept, as they are in a database.
    pub(super) fn down(&mut self) {
        self.server.down();
    }

    /// From now on.
    pub(super) fn is(&self, condition: Condition) {
        lock(&self.state).condition = condition;
    }

    /// The content session ids of rows that are active, sorted.
    pub(super) fn active(&self) -> Vec<String> {
        let state = lock(&self.state);
        let active = state.rows.iter().filter(|(_, row)| matches!(row, Row::Active));
        active.map(|((id, _), _)| id.clone()).collect()
    }

    /// The content session ids of rows that have ended, sorted, each with the reason.
    pub(super) fn ended(&self) -> Vec<(String, String)> {
        let state = lock(&self.state);
        let ended = state.rows.iter().filter_map(|((id, _), row)| match row {
            Row::Ended(reason) => Some((id.clone(), reason.clone())),
            Row::Active => None,
        });
        ended.collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn serve(&mut self, request: &Request) -> Answer {
        if matches!(self.condition, Condition::Broken) {
            return Answer::Status(500);
        }
        assert!(request.headers["idempotency-key"].contains("/session-"), "{:?}", request.headers);
        let status = self.told(&request.path, &request.body);
        let is_lost = matches!(self.condition, Condition::Slow) && request.path == INIT;
        if is_lost { Answer::Never } else { Answer::Status(status) }
    }

    fn told(&mut self, path: &str, body: &Value) -> u16 {
        let Some(id) = body["contentSessionId"].as_str().filter(|id| !id.is_empty()) else { return 400 };
        let platform = body["platformSource"].as_str().unwrap_or("claude");
        let name = (id.to_owned(), if platform.contains("claude") { "claude" } else { platform }.to_owned());
        match path {
            INIT => {
                // Without a prompt the real one skips the session.
                assert!(body["prompt"].as_str().is_some_and(|prompt| !prompt.is_empty()), "{body}");
                assert!(body["project"].is_string(), "{body}");
                // A row that has ended is opened again: the session goes on.
                self.rows.insert(name, Row::Active);
                200
            }
            END => {
                // Of a session that it does not know the real one says so, with 200.
                if let Some(row) = self.rows.get_mut(&name) {
                    *row = Row::Ended(body["reason"].as_str().unwrap_or_default().to_owned());
                }
                200
            }
            _ => 404,
        }
    }
}
