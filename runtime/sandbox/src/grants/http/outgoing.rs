//! The state of one call's `wasi:http`. Its requests go out through [`lastword_egress`], which goes only where the operator allows.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use lastword_egress::{Account, Allowance, EgressError, Limits as EgressLimits, Sent, Timeouts};
use lastword_events::text::clip_bytes;
use lastword_events::{Session, printable};
use rustix::io::Errno;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::upload;
use crate::call_context::CallContext;
use crate::host_memory::TaskMemory;
use crate::lack::lack_of;
use crate::limits::{HTTP_ANSWER_RESERVE, HTTP_CHUNK_BYTES, MAX_HTTP_FIELDS_BYTES, MAX_MESSAGE_BYTES};

/// The HTTP state of one call. When it is dropped, so are its requests and their connections: each runs in a task that a handle in the
/// guest's resource table aborts. A connection whose exchange is complete stays for the next call.
pub(crate) struct Outgoing<T: 'static> {
    pub(crate) ctx: WasiHttpCtx,
    pub(crate) hooks: HttpHooks<T>,
}

/// The hooks through which wasmtime-wasi-http sends requests.
pub(crate) struct HttpHooks<T: 'static> {
    context: Arc<CallContext<T>>,
    session: Arc<Session>,
    pub(crate) allowance: Arc<Allowance>,
    /// Errors that the guest may not have been told of.
    pub(crate) request_errors: Arc<RequestErrors>,
    /// Requests of this call. Each is a task, and one beyond the limit ends the call, because a guest that only got an error could go on
    /// making tasks.
    pub(crate) sent: u32,
    /// Memory that tasks keep for the call.
    pub(crate) task_memory: Arc<TaskMemory>,
    /// Bytes that the request being sent keeps until its exchange is over.
    pub(crate) request_bytes: u64,
    /// The resource that the machine lacked when a request was to be sent.
    pub(crate) lacked: Arc<OnceLock<Errno>>,
}

impl<T> Outgoing<T> {
    pub(crate) fn new(context: &Arc<CallContext<T>>, session: &Arc<Session>, task_memory: &Arc<TaskMemory>) -> Self {
        let plugin = &context.plugin;
        let limits = EgressLimits {
            max_requests: plugin.limits.http_requests,
            max_request_body_bytes: plugin.limits.http_request_bytes,
            max_response_body_bytes: plugin.limits.http_response_bytes,
            ..EgressLimits::default()
        };
        let account = Account::new(Arc::clone(&session.identity.tenant), plugin.name.as_str());
        let allowance = Arc::new(Allowance::new(Arc::clone(&plugin.allowed), limits).charged_to(account));
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(MAX_HTTP_FIELDS_BYTES);
        let (request_errors, lacked) = (Arc::default(), Arc::default());
        let (context, session, task_memory) = (Arc::clone(context), Arc::clone(session), Arc::clone(task_memory));
        let (sent, request_bytes) = (0, 0);
        Self {
            ctx,
            hooks: HttpHooks { context, session, allowance, request_errors, sent, task_memory, request_bytes, lacked },
        }
    }
}

/// Errors that wasmtime-wasi-http would log as its own: the first, and their number. A guest chooses how many there are.
#[derive(Default)]
pub(crate) struct RequestErrors(Mutex<(u64, Option<String>)>);

impl RequestErrors {
    pub(crate) fn note(&self, what: &dyn ToString) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.0 += 1;
        noted.1.get_or_insert_with(|| clip_bytes(what.to_string(), MAX_MESSAGE_BYTES));
    }

    fn take(&self) -> Option<(u64, String)> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.1.take().map(|first| (noted.0, first))
    }
}

impl<T> Drop for HttpHooks<T> {
    /// Tells the operator, once a call, that a plugin was refused a destination.
    fn drop(&mut self) {
        let usage = self.allowance.usage();
        if let Some(refusal) = usage.first_refusal {
            let identity = &self.session.identity;
            tracing::warn!(
                plugin = self.context.plugin.name.as_str(),
                tenant = &*identity.tenant,
                session = &*identity.id,
                refused = usage.refusals,
                requests = usage.requests,
                "an outgoing request was refused: {refusal}"
            );
        }
        if let Some((times, first)) = self.request_errors.take() {
            let identity = &self.session.identity;
            tracing::warn!(
                plugin = self.context.plugin.name.as_str(),
                tenant = &*identity.tenant,
                session = &*identity.id,
                times,
                "an outgoing request went wrong: {}",
                printable(&first)
            );
        }
    }
}

type BoxFuture<T> = Box<dyn Future<Output = T> + Send>;
type Response = (http::Response<WasiBody>, BoxFuture<Result<(), Error>>);

impl<T> WasiHttpHooks for HttpHooks<T> {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        HTTP_CHUNK_BYTES
    }

    /// Pieces of a body that wait in the host, because a guest may write all of it before it sends the request. The number of bytes
    /// bounds them, which [`upload`] counts, and each takes a host call.
    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        let limits = &self.context.plugin.limits;
        let pieces = limits.http_request_bytes.min(limits.host_calls).clamp(1, u32::MAX.into());
        usize::try_from(pieces).unwrap_or(usize::MAX)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: BoxFuture<Result<(), Error>>,
    ) -> BoxFuture<Result<Response, Error>> {
        self.sent = self.sent.saturating_add(1);
        let (egress, allowance) = (self.context.plugin.host.egress.clone(), Arc::clone(&self.allowance));
        let (request_errors, lacked) = (Arc::clone(&self.request_errors), Arc::clone(&self.lacked));
        let timeouts = timeouts(options.unwrap_or_default(), self.context.meter.left(Instant::now()));
        let charge = Arc::new(self.task_memory.charge(std::mem::take(&mut self.request_bytes)));
        let request = request.map(|body| upload::counted(body, &self.task_memory));
        Box::new(async move {
            let Sent { response, connection } = egress.send(&allowance, request, timeouts).await.map_err(|error| {
                if let Some(what) = lack_of(&error) {
                    lacked.set(what).ok();
                }
                // No error code for the guest says that the server may have the request.
                if matches!(error, EgressError::KeptConnectionLost(_)) {
                    request_errors.note(&error);
                }
                error_for_guest(&error)
            })?;
            // The exchange is over when both the response's body and the connection are gone.
            let of_the_body = Arc::clone(&charge);
            let body_error = move |error| {
                let _charge = &of_the_body;
                error_for_guest(&error)
            };
            let response = response.map(|body| body.map_err(body_error).boxed_unsync());
            // The guest learns of the error from the response's body. An error that is returned here is only logged, as wasmtime's.
            let connection: BoxFuture<_> = Box::new(async move {
                let _charge = charge;
                if let Err(error) = connection.await {
                    request_errors.note(&error);
                }
                Ok(())
            });
            Ok((response, connection))
        })
    }
}

/// The timeouts that the guest has requested, but never longer than its call less a reserve. So a guest whose server does not answer gets
/// an error, and can answer `retry` itself.
fn timeouts(requested: RequestOptions, left: Duration) -> Timeouts {
    let left = left.saturating_sub(HTTP_ANSWER_RESERVE.min(left / 10));
    let clamped = |timeout: Option<Duration>| timeout.map_or(left, |timeout| timeout.min(left));
    Timeouts {
        connect: clamped(requested.connect_timeout),
        first_byte: clamped(requested.first_byte_timeout),
        between_bytes: clamped(requested.between_bytes_timeout),
        total: left,
    }
}

/// The text of an error for a guest. The operator's log has the rest.
fn error_for_guest(error: &EgressError) -> Error {
    match error {
        EgressError::InvalidUri(_) | EgressError::InvalidPath => Error::HttpRequestUriInvalid,
        EgressError::Denied { .. } | EgressError::TunnelRefused => Error::HttpRequestDenied,
        EgressError::UpgradeRefused => Error::HttpUpgradeFailed,
        EgressError::AddressRefused { .. } => Error::DestinationIpProhibited,
        EgressError::Dns { .. } => Error::DnsError { rcode: None, info_code: None },
        EgressError::DnsTimeout { .. } | EgressError::NoTurnToLookUp { .. } => Error::DnsTimeout,
        EgressError::ConnectionRefused { .. } => Error::ConnectionRefused,
        EgressError::ConnectFailed { .. } => Error::DestinationUnavailable,
        EgressError::ConnectTimeout { .. } | EgressError::NoTurnToConnect { .. } => Error::ConnectionTimeout,
        EgressError::TlsSetup(_) => Error::ConfigurationError,
        EgressError::Tls(_) => Error::TlsProtocolError,
        EgressError::Certificate(_) => Error::TlsCertificateError,
        EgressError::FirstByteTimeout | EgressError::BetweenBytesTimeout => Error::ConnectionReadTimeout,
        EgressError::TotalTimeout => Error::HttpResponseTimeout,
        EgressError::ResponseBodyTooLarge { limit_bytes } => Error::HttpResponseBodySize(Some(*limit_bytes)),
        EgressError::ResponseHeaderTooLarge { limit_bytes } => {
            Error::HttpResponseHeaderSectionSize(u32::try_from(*limit_bytes).ok())
        }
        EgressError::RequestBodyTooLarge { limit_bytes } => Error::HttpRequestBodySize(Some(*limit_bytes)),
        EgressError::TooManyRequests { .. } => Error::ConnectionLimitReached,
        EgressError::Incomplete => Error::HttpResponseIncomplete,
        EgressError::RequestBody(_) | EgressError::ConnectionLost(_) | EgressError::KeptConnectionLost(_) => {
            Error::ConnectionTerminated
        }
        _ => Error::HttpProtocolError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_timeout_is_longer_than_what_is_left_of_the_call() {
        let second = Duration::from_secs(1);
        let requested = RequestOptions {
            connect_timeout: Some(second * 5),
            first_byte_timeout: Some(second / 2),
            ..Default::default()
        };
        let clamped = timeouts(requested, second);
        let most = second - HTTP_ANSWER_RESERVE;
        let expected = Timeouts { connect: most, first_byte: second / 2, between_bytes: most, total: most };
        assert_eq!(clamped, expected);
    }
}
