//! What a guest writes of a request's body. It may write all of it before it sends the request, as the standard shows it and
//! most HTTP libraries do: nobody reads then, and it is kept, up to
//! [`Limits::http_request_bytes`](crate::Limits::http_request_bytes) of all bodies of the call together.

use std::sync::Arc;

use bytes::Bytes;
use lastword_egress::{Allowance, EgressError};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::HostOutgoingBody;

use super::requests::TYPES;
use crate::state::GuestState;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance(TYPES)?.func_wrap("[method]outgoing-body.write", write)
}

type Written = Result<Resource<DynOutputStream>, ()>;

/// The stream into a body, once.
fn write(
    mut store: StoreContextMut<'_, GuestState>,
    (body,): (Resource<HostOutgoingBody>,),
) -> wasmtime::Result<(Written,)> {
    let view = store.data_mut().http();
    let Some(stream) = view.table.get_mut(&body)?.take_output_stream() else { return Ok((Err(()),)) };
    // The hooks are known by their trait here.
    let allowance = store.data_mut().allowance();
    let upload: DynOutputStream = Box::new(Upload { stream, allowance, refused: false });
    let upload = store.data_mut().http().table.push_child(upload, &body)?;
    Ok((Ok(upload),))
}

/// The stream into a body, counted.
struct Upload {
    stream: DynOutputStream,
    allowance: Arc<Allowance>,
    refused: bool,
}

impl Upload {
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
        let Err(error) = self.allowance.take_request_body(bytes.len()) else { return self.stream.write(bytes) };
        self.refused = true;
        // One byte, which is not sent: it wakes a request that waits for the rest, so that its guest is told at once.
        let wakes = self.stream.write(bytes.slice(..bytes.len().min(1)));
        let limit = match error {
            EgressError::RequestBodyTooLarge { limit_bytes } => Some(limit_bytes),
            _ => None,
        };
        match wakes {
            // It wrote more than it had a permit for.
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
