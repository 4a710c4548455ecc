//! The stdio protocol over the socket: one connection is one owner's stdio.

mod connection;
mod recipients;
mod writer;

pub(crate) use connection::serve;
pub(crate) use recipients::{ConnectionId, Recipients};
