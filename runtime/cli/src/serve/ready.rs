//! The daemon's one line on stdout: it is ready, and its addresses.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use lastword_protocol::output::Output;
use serde::Serialize;

/// The fields of stdio's first line, and the daemon's addresses.
#[derive(Serialize)]
struct ReadyLine<'a> {
    #[serde(flatten)]
    ready: Output<'a>,
    sockets: Vec<String>,
    addresses: &'a [SocketAddr],
}

/// Prints the line. Nobody has to read it.
pub(super) fn print(ready: Output<'_>, sockets: &[impl AsRef<Path>], addresses: &[SocketAddr]) {
    let sockets = sockets.iter().map(|path| path.as_ref().display().to_string()).collect();
    let line = serde_json::to_string(&ReadyLine { ready, sockets, addresses });
    let printed = line.map_err(io::Error::from).and_then(|line| {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush())
    });
    if let Err(error) = printed {
        tracing::debug!(%error, "nobody reads stdout");
    }
}
