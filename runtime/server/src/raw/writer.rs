//! Writes a raw connection's lines.

use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Lines that are written at once.
const LINES_AT_ONCE: usize = 256;

/// Writes lines until there are no more, or the reader takes no byte for `patience`. Senders then notice that the
/// writer is gone.
pub(super) async fn write_lines(
    mut writer: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<Vec<u8>>,
    patience: Duration,
) {
    let mut next = Vec::with_capacity(LINES_AT_ONCE);
    while lines.recv_many(&mut next, LINES_AT_ONCE).await > 0 {
        let text = next.concat();
        next.clear();
        // A reader that takes a part has the same time again for the rest.
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            match timeout(patience, writer.write(rest)).await {
                Ok(Ok(written)) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                _ => return,
            }
        }
    }
    // The lines are written, so a reader that misses the shutdown misses no line.
    timeout(patience, writer.shutdown()).await.ok();
}
