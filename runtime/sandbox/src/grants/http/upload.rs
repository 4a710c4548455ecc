//! Counts the body of a request that a guest writes. A guest may write all of it before it sends the request, as the standard shows it
//! and most HTTP libraries do. No connection reads it then, and the host keeps it, up to
//! [`Limits::http_request_bytes`](crate::Limits::http_request_bytes) of all bodies of the call together. Each piece counts to the call's
//! memory from the write until the connection takes it. A piece that is never taken counts until the call ends.

use std::sync::Arc;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use lastword_egress::{Allowance, EgressError};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use crate::host_memory::TaskMemory;
use crate::limits::HTTP_PIECE_BYTES;

/// The stream into a body, counted.
pub(super) struct Upload {
    stream: DynOutputStream,
    allowance: Arc<Allowance>,
    task_memory: Arc<TaskMemory>,
    refused: bool,
}

/// The charge of a piece while it waits.
fn waiting_bytes(piece: usize) -> u64 {
    u64::try_from(piece).unwrap_or(u64::MAX).saturating_add(HTTP_PIECE_BYTES)
}

/// A body whose pieces stop counting as they are taken.
pub(super) fn counted(body: WasiBody, task_memory: &Arc<TaskMemory>) -> WasiBody {
    let task_memory = Arc::clone(task_memory);
    let taken = move |frame: Frame<Bytes>| {
        if let Some(piece) = frame.data_ref() {
            task_memory.give_back(waiting_bytes(piece.len()));
        }
        frame
    };
    body.map_frame(taken).boxed_unsync()
}

impl Upload {
    pub(super) fn new(stream: DynOutputStream, allowance: Arc<Allowance>, task_memory: Arc<TaskMemory>) -> Self {
        Self { stream, allowance, task_memory, refused: false }
    }

    fn pass_on(&mut self, piece: Bytes) -> StreamResult<()> {
        let bytes = waiting_bytes(piece.len());
        // Charged before the piece can be taken.
        self.task_memory.take(bytes);
        self.stream.write(piece).inspect_err(|error| {
            // A piece that fails for its length is in the body all the same, and gives its bytes back as it is taken.
            if !matches!(error, StreamError::LastOperationFailed(_)) {
                self.task_memory.give_back(bytes);
            }
        })
    }

    fn check(&self) -> StreamResult<()> {
        if self.refused { Err(StreamError::Closed) } else { Ok(()) }
    }
}

#[async_trait]
impl Pollable for Upload {
    async fn ready(&mut self) {
        if !self.refused {
            self.stream.ready().await;
        }
    }
}

#[async_trait]
impl OutputStream for Upload {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        let Err(error) = self.allowance.take_request_body(bytes.len()) else { return self.pass_on(bytes) };
        self.refused = true;
        // One byte, which is not sent. It wakes a request that waits for the rest, so that its guest gets the error at once.
        let wakes = self.pass_on(bytes.slice(..bytes.len().min(1)));
        let limit = match error {
            EgressError::RequestBodyTooLarge { limit_bytes } => Some(limit_bytes),
            _ => None,
        };
        match wakes {
            // The guest wrote more than it had a permit for.
            Err(trap @ StreamError::Trap(_)) => Err(trap),
            _ => Err(StreamError::LastOperationFailed(ErrorCode::HttpRequestBodySize(limit).into())),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check()?;
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        self.stream.check_write()
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[cfg(test)]
mod tests {
    use lastword_egress::{AllowList, Limits};
    use tokio::sync::mpsc;

    use super::*;

    /// A copy of the stream of wasmtime-wasi-http, for a request that says how long its body is.
    struct Sends {
        pieces: mpsc::UnboundedSender<Bytes>,
        left: usize,
    }

    #[async_trait]
    impl Pollable for Sends {
        async fn ready(&mut self) {}
    }

    impl OutputStream for Sends {
        fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
            let fits = self.left.checked_sub(bytes.len());
            self.pieces.send(bytes).map_err(|_| StreamError::Closed)?;
            self.left = fits.ok_or(StreamError::LastOperationFailed(ErrorCode::HttpRequestBodySize(None).into()))?;
            Ok(())
        }

        fn flush(&mut self) -> StreamResult<()> {
            Ok(())
        }

        fn check_write(&mut self) -> StreamResult<usize> {
            Ok(usize::MAX)
        }
    }

    #[test]
    fn a_piece_beyond_the_length_that_was_said_stops_counting_once() {
        let task_memory = Arc::new(TaskMemory::default());
        let allowance = Arc::new(Allowance::new(Arc::new(AllowList::default()), Limits::default()));
        let (pieces, mut body) = mpsc::unbounded_channel();
        let stream = Box::new(Sends { pieces, left: 5 });
        let mut upload = Upload::new(stream, allowance, Arc::clone(&task_memory));
        assert!(upload.write(Bytes::from_static(b"01234")).is_ok());
        let beyond = upload.write(Bytes::from_static(b"56789"));
        assert!(matches!(beyond, Err(StreamError::LastOperationFailed(_))), "{beyond:?}");
        assert_eq!(task_memory.bytes(), 2 * waiting_bytes(5), "both are there to be taken");
        while let Ok(piece) = body.try_recv() {
            task_memory.give_back(waiting_bytes(piece.len()));
        }
        assert_eq!(task_memory.bytes(), 0);
        drop(body);
        assert!(matches!(upload.write(Bytes::from_static(b"0")), Err(StreamError::Closed)));
        assert_eq!(task_memory.bytes(), 0, "nobody takes it");
    }
}
