//! Adapts a connection to hyper, through the head gate.

use std::{
    fmt,
    io::{Error, ErrorKind, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{head_gate::HeadGate, limits::READ_BUFFER_BYTES};

/// A plain or an encrypted connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns its socket.
    fn socket(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.get_ref().0.as_fd()
    }
}

/// The connection that was dialled.
pub(crate) type Transport = Box<dyn Stream>;

/// Copies received bytes once more than necessary: filling hyper's cursor in place needs `unsafe`.
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
            // No waker is needed: after each poll of this connection its owner checks the gate.
            return Poll::Pending;
        }
        let Some(space) = this.buffer.get_mut(..most) else { return Poll::Pending };
        let mut read = ReadBuf::new(space);
        let looks = this.gate.take_look();
        match Pin::new(&mut this.transport).poll_read(cx, &mut read) {
            Poll::Ready(done) => done?,
            // tokio may not have been notified yet.
            Poll::Pending if looks && !is_silent(this.transport.socket()) => {
                let message = "the server has closed the connection, or sent what nobody asked for";
                return Poll::Ready(Err(Error::new(ErrorKind::ConnectionAborted, message)));
            }
            Poll::Pending => return Poll::Pending,
        }
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

/// Whether the server has neither sent anything nor closed the connection, as far as the system knows.
fn is_silent(socket: BorrowedFd<'_>) -> bool {
    // tokio's sockets never block.
    recv(socket, &mut [0_u8; 1], RecvFlags::PEEK) == Err(Errno::WOULDBLOCK)
}
