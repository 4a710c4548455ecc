//! Converts hyper's errors to ours.

use std::{error::Error as StdError, io};

use crate::{error::EgressError, limits::Limits, tls};

/// Converts hyper's error to ours.
pub(crate) fn from_hyper(error: hyper::Error, limits: Limits) -> EgressError {
    match source::<EgressError>(&error) {
        Some(EgressError::RequestBodyTooLarge { limit_bytes }) => {
            return EgressError::RequestBodyTooLarge { limit_bytes: *limit_bytes };
        }
        Some(_) => return EgressError::RequestBody(error.into()),
        None => {}
    }
    if error.is_parse_too_large() {
        return EgressError::ResponseHeaderTooLarge { limit_bytes: limits.max_response_header_bytes };
    }
    if error.is_incomplete_message() {
        return EgressError::Incomplete;
    }
    match source::<io::Error>(&error) {
        // An alert after the handshake, as from a TLS 1.3 server that requires a client certificate.
        Some(cause) if tls::is_tls(cause) => EgressError::Tls(io::Error::new(cause.kind(), error)),
        Some(cause) => match cause.kind() {
            io::ErrorKind::UnexpectedEof => EgressError::Incomplete,
            // hyper's error for invalid chunks.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => EgressError::Protocol(error.into()),
            _ => EgressError::ConnectionLost(error.into()),
        },
        None => EgressError::Protocol(error.into()),
    }
}

/// Returns the first of the error's causes that is a `T`.
fn source<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
