//! A client of a running daemon: HTTP over its Unix socket.

pub(crate) mod exchange;
mod reload;

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::config::ConfigError;
use crate::exit::{Exit, Failure};
use crate::limits::{DAEMON_ANSWERS, MAX_DAEMON_ANSWER_BYTES};
use crate::socket::SocketPlace;
use lastword_config::Mistakes;
use lastword_config::units::show_duration;
use lastword_events::text::printable_path;

use exchange::{Answer, Problem};
pub(crate) use reload::{configured_socket, nobody, reload, required};

/// A daemon that answers on its socket.
pub(crate) struct Daemon {
    socket: PathBuf,
    runtime: Runtime,
}

/// A page of a list.
#[derive(serde::Deserialize)]
struct Page {
    #[serde(rename = "sessions", alias = "deliveries")]
    rows: Vec<Box<RawValue>>,
    next: Option<String>,
}

impl Daemon {
    /// Returns the daemon at this place. `None`: no daemon answers there.
    ///
    /// # Errors
    /// When a daemon may be there, but cannot be asked.
    pub(crate) fn find(place: &SocketPlace) -> Result<Option<Self>, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::internal)?;
        match runtime.block_on(UnixStream::connect(&place.path)) {
            Ok(_) => Ok(Some(Self { socket: place.path.clone(), runtime })),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => {
                let what = format!("the daemon at {} cannot be asked", printable_path(&place.path));
                Err(Failure::usage(anyhow!(error).context(what)))
            }
        }
    }

    /// Sends a GET, and returns the daemon's answer.
    ///
    /// # Errors
    /// When the daemon refuses, does not answer, or its answer cannot be parsed.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, Vec::new())
    }

    /// Sends a POST, and returns the daemon's answer.
    ///
    /// # Errors
    /// When the daemon refuses, does not answer, or its answer cannot be parsed.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::POST, path, serde_json::to_vec(body).map_err(Failure::internal)?)
    }

    /// Calls `each` with every row of a list, in the daemon's words, page by page.
    ///
    /// # Errors
    /// As for [`get`](Self::get), or of `each`.
    pub(crate) fn each_row(
        &self,
        list: &str,
        mut each: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let separator = if list.contains('?') { '&' } else { '?' };
            let path = match &after {
                Some(after) => format!("{list}{separator}limit=1000&after={after}"),
                None => format!("{list}{separator}limit=1000"),
            };
            let page: Page = self.get(&path)?;
            page.rows.iter().try_for_each(|row| each(row.get()))?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Returns all rows of a list, for a table.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub(crate) fn rows<T: DeserializeOwned>(&self, list: &str) -> Result<Vec<T>, Failure> {
        let mut rows = Vec::new();
        self.each_row(list, |row| {
            rows.push(serde_json::from_str(row).map_err(Failure::internal)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<T, Failure> {
        let answered =
            self.runtime.block_on(async { timeout(DAEMON_ANSWERS, self.exchange(method, path, body)).await });
        let broken = |error: anyhow::Error| {
            let what = format!("the daemon at {} cannot be asked", printable_path(&self.socket));
            Failure::internal(error.context(what))
        };
        let (status, body) = match answered {
            Ok(answer) => answer.map_err(broken)?,
            Err(_) => return Err(broken(anyhow!("it has not answered within {}", show_duration(DAEMON_ANSWERS)))),
        };
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        serde_json::from_slice(&body)
            .context("its answer is not what was expected: is it of another version?")
            .map_err(broken)
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = UnixStream::connect(&self.socket).await?;
        let request = exchange::request(method, path).body(Full::new(Bytes::from(body)))?;
        let Answer { status, body, .. } = exchange::exchange(stream, request, MAX_DAEMON_ANSWER_BYTES).await?;
        Ok((status, body))
    }
}

/// Returns the failure of a refused request. The status decides the exit code.
fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let said = serde_json::from_slice::<Problem>(body).ok();
    let said = said.and_then(|problem| problem.detail.or(problem.title));
    let said = said.unwrap_or_else(|| format!("the daemon answers {status}"));
    let exit = if status.is_client_error() { Exit::Usage } else { Exit::Internal };
    // A configuration's mistakes have a line each.
    let error = match said.contains('\n') {
        true => ConfigError::from(Mistakes(said.lines().map(str::to_owned).collect())).into(),
        false => anyhow!(said),
    };
    Failure { exit, error }
}
