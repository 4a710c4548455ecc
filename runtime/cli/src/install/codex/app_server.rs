//! `codex app-server`: requests and answers, a line of JSON each.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use lastword_config::units::show_duration;
use serde_json::{Value, json};

use crate::limits::{CODEX_ANSWERS, MAX_CODEX_BYTES};

/// A running server. Dropping it kills the process.
pub(super) struct AppServer {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    last_id: u64,
    until: Instant,
}

impl AppServer {
    /// Starts the server.
    ///
    /// # Errors
    /// When there is no `codex`, or it does not answer in time.
    pub(super) fn start() -> anyhow::Result<Self> {
        let until = Instant::now() + CODEX_ANSWERS;
        let mut child = Command::new("codex")
            .arg("app-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("`codex` cannot be started")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.context("`codex app-server` has no pipes")?;
        let (said, lines) = mpsc::channel();
        // The thread ends with the server's output.
        thread::Builder::new().name("codex".into()).spawn(move || {
            let lines = BufReader::new(stdout.take(MAX_CODEX_BYTES)).lines();
            for line in lines.map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        })?;
        let mut server = Self { child, stdin, lines, last_id: 0, until };
        let version = env!("CARGO_PKG_VERSION");
        server.call("initialize", &json!({ "clientInfo": { "name": "lastword", "version": version } }))?;
        server.say(&json!({ "method": "initialized" }))?;
        Ok(server)
    }

    /// Sends a request, and returns the answer.
    ///
    /// # Errors
    /// When the server refuses, exits, or does not answer in time.
    pub(super) fn call(&mut self, method: &str, params: &Value) -> anyhow::Result<Value> {
        self.last_id += 1;
        let id = self.last_id;
        self.say(&json!({ "id": id, "method": method, "params": params }))?;
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("`codex app-server` has not answered {method} within {}", show_duration(CODEX_ANSWERS))
                }
                Err(RecvTimeoutError::Disconnected) => bail!("`codex app-server` has left before it answered {method}"),
            };
            // Other messages are ignored.
            let Ok(mut answer) = serde_json::from_str::<Value>(&line) else { continue };
            if answer.get("id") != Some(&Value::from(id)) {
                continue;
            }
            if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
                let message = error.get("message").and_then(Value::as_str).unwrap_or("no reason is given");
                return Err(anyhow!("`codex app-server` refuses {method}: {message}"));
            }
            return Ok(answer.get_mut("result").map(Value::take).unwrap_or_default());
        }
    }

    fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        writeln!(self.stdin, "{message}").and_then(|()| self.stdin.flush()).context("`codex app-server` has left")
    }
}

impl Drop for AppServer {
    fn drop(&mut self) {
        // The server may have exited by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
