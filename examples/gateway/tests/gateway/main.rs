//! The gateway as a program: it is started, asked over HTTP, signalled and killed, with real components in it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly, its helper functions too"
)]

mod deliveries;
mod docs;
mod health;
mod killed;
mod plugins;
mod reload;
mod sessions;
mod stopping;
mod support;
mod tenants;
