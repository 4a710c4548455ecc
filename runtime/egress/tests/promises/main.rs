//! What the crate's documentation promises, one module for each promise, against servers on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

mod addresses;
mod bounds;
mod destinations;
mod kept;
mod plain;
mod requests;
mod shared;
mod support;
mod tls;
