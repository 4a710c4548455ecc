//! An agent gateway with [`lastword`] inside: a whole service, small, to be read and copied by authors of such services.
//!
//! | file | what is in it |
//! |---|---|
//! | `service.rs` | what is started and stopped, in which order: start reading here |
//! | `routes.rs`, `routes/` | the paths, on two addresses; what each request does |
//! | `api_error.rs` | which status a refusal is |
//! | `catalog.rs`, `folder.rs`, `reload.rs` | plugins, tenants and quotas that change at run time, and the folder that remembers them |
//! | `farewell.rs` | what a tenant's sessions have before it is removed |
//! | `observer.rs`, `metrics.rs` | what is counted as it happens, and what is counted at a scrape |
//! | `health.rs` | whether anything could be written |
//! | `signals.rs`, `shutdown.rs` | what ends the service, and who is told |
//!
//! What it is not: it knows nobody's password. Put your authentication before `routes::for_owners`.

#![forbid(unsafe_code)]

mod api_error;
mod args;
mod blocking;
mod catalog;
mod farewell;
mod folder;
mod gateway;
mod health;
mod metrics;
mod observer;
mod reload;
mod routes;
mod service;
mod shutdown;
mod signals;

pub use args::{Args, COMPILE_PLUGIN};
pub use service::run;

/// The thirty lines for authors of services compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;
