//! The daemon of Lastword: one process that outlives its owners, and ends their sessions when they die.
//!
//! An owner reports its sessions' events over a Unix socket, or over TCP with a token. The server answers an event when
//! it is on record. The daemon notices when an owner dies: its process exits, its connection closes without a goodbye,
//! or its lease lapses. The sessions of a dead owner end after a grace.
//!
//! ```no_run
//! use lastword::Runtime;
//! use lastword_server::{OwnerSettings, Server, ServerObserver};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let observer = ServerObserver::new();
//! let owners = OwnerSettings::default();
//! let runtime = Runtime::builder().attach_grace(owners.grace).observer(observer.clone()).build()?;
//! let server = Server::builder(runtime.clone(), observer).owners(owners).build();
//! server.resume().await;
//!
//! let serving = server.clone();
//! let listener = tokio::net::UnixListener::bind("/run/user/1000/lastword/lastword.sock")?;
//! tokio::spawn(async move { serving.serve_unix(listener).await });
//! # Ok(())
//! # }
//! ```
//!
//! A caller that can open the socket is operator of all tenants, so the permissions of the socket's directory protect
//! it. Over TCP a [`Token`] sets the caller's permissions.
//!
//! # What it is not for
//!
//! The crate creates no socket and reads no signal and no configuration: the program, `lastword-cli`, does. It knows
//! nothing of plugins, and of sessions only their owners' events.

#![forbid(unsafe_code)]

mod access;
mod activity;
mod builder;
mod clock;
mod cluster;
mod controls;
mod findings;
mod hooks;
mod http;
pub mod limits;
mod metrics;
mod observer;
mod owner_drains;
mod owners;
mod raw;
mod requests;
mod runtimes;
mod server;
mod settings;
mod shared;
mod status;
mod tls;
mod units;

pub use access::{BadToken, NewToken, Role, Token, TokenStore};
pub use activity::Activity;
pub use builder::ServerBuilder;
pub use cluster::{Cluster, ClusterStatus, LeftStatus, NodeStatus, ReplicaStatus, StreamStatus};
pub use controls::{BoxFuture, Controls, Reloaded};
pub use hooks::{HookRefused, ReadPayload};
pub use observer::{ServerObserver, outcome_line};
pub use owner_drains::{GoingSessions, OwnerDrainStart, OwnerDrained, OwnerDrains};
pub use owners::{Loss, OwnerDrain, Resumed};
pub use requests::{Answered, ask, refused_line};
pub use server::{ServeError, Server};
pub use settings::{OwnerSettings, ServerLimits};
pub use status::{LastHook, OwnerCount, PluginStatus, Status};
pub use tls::{TlsError, tls_config};
