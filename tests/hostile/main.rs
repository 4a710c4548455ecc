//! Hostile guests: each of docs/security.md does what that table says, and takes nothing from anyone else.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod alone;
mod guest;
mod mixed;
mod servers;
mod table;
mod tenants;
mod timed;
