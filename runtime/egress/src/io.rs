//! A connection as hyper wants it, behind the head gate.

use std::{
    fmt,
    io::{Error, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{head_gate::HeadGate, limits::READ_BUFFER_BYTES};

/// A plain or an encrypted connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connection that was dialled.
pub(crate) type Transport = Box<dyn Stream>;

/// Copies what it reads once more than it must: hyper's cursor can be filled in place only with `unsafe`.
pub(crate) struct GatedIo {
    transport: Transport,
    gate: Arc<HeadGate>,
    buffer: Box<[u8]>,
}

impl GatedIo {
    pub(crate) fn new(transport: Transport, gate: Arc<HeadGate>) -> Self {
        Self { transport, gate, buffer: vec![0; READ_BUFFER_BYTES].into() }
    }
}

impl fmt::Debug for GatedIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedIo").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Read for GatedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        let wanted = cursor.remaining().min(this.buffer.len());
        let most = wanted.min(this.gate.allowed());
        if most == 0 && wanted > 0 {
            // No waker: the poll of this connection is followed by a look at the gate.
            return Poll::Pending;
        }
        let Some(space) = this.buffer.get_mut(..most) else { return Poll::Pending };
        let mut read = ReadBuf::new(space);
        ready!(Pin::new(&mut this.transport).poll_read(cx, &mut read))?;
        this.gate.count(read.filled().len());
        cursor.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for GatedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.transport).poll_write_vectored(cx, parts)
    }
}
