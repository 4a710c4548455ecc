//! Identifies an owner's process and the peer of a Unix socket, and reports a process's end without polling.
//!
//! A pid alone identifies no process: the kernel reuses it later, and it means another process in a container. A
//! [`Process`] is identified by its pid, its start time, and its boot. A [`Peer`] is the process at the other end of a
//! Unix socket, and decides whether its statement about a process is believed. A [`Watched`] process is one whose end
//! the kernel reports at the moment when it happens. [`agent_of`] finds an agent's process from a command that the
//! agent runs.
//!
//! The crate knows no sessions and no owners, and ends no process. Its caller decides what a death means.
//!
//! ```
//! # #[cfg(target_os = "linux")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::os::unix::net::UnixStream;
//! use std::process::{Command, Stdio};
//!
//! use lastword_process::{NotVisible, Peer, Process, WatchError, Watched};
//!
//! let mut agent = Command::new("cat").stdin(Stdio::piped()).spawn()?;
//!
//! // A client, here this process itself, names the process of an owner.
//! let claimed = Process::of(agent.id())?;
//! let (accepted, _client) = UnixStream::pair()?;
//! let peer = Peer::of(&accepted)?;
//! let watched = peer.verify(&claimed)?;
//!
//! // A process that began at another time is not the one with the pid.
//! let lie = Process { start_time: claimed.start_time - 1, ..claimed.clone() };
//! assert!(matches!(peer.verify(&lie), Err(NotVisible::OtherStartTime { .. })));
//!
//! agent.kill()?;
//! watched.exited().await;
//! assert!(matches!(Watched::begin(&claimed), Err(WatchError::Gone(_))));
//! # agent.wait()?;
//! # Ok(())
//! # }
//! # #[cfg(not(target_os = "linux"))]
//! # fn main() {}
//! ```
//!
//! # Systems
//!
//! Linux since 5.5, with `/proc` mounted in the caller's pid namespace. Since 6.5 the kernel identifies a peer's
//! process (`SO_PEERPIDFD`). Before that it gives only the pid, which another process may have by the time that the
//! connection is accepted; the peer's pid namespace is then read from that process. The process that a peer names as
//! owner needs the right start time in any case.
//!
//! macOS with `kqueue`, `LOCAL_PEERPID` and `libproc`. This part has been compiled, and never run.
//!
//! On other systems all functions return [`ProcessError::NotSupported`].
//!
//! # Limits of the checks
//!
//! - The start time is in clock ticks of 10 ms. Two processes of one pid that began within one tick look alike; the
//!   kernel would have to use all other pids in between.
//! - A peer that relays statements, such as `socat` for a container, is believed as if they were its own. Start time
//!   and boot prevent it from naming a wrong process. But a process outside of this pid namespace may then look
//!   [dead](NotVisible::Gone). Give a lease to owners behind such a relay.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod agent;
mod error;
pub mod limits;
mod peer;
mod process;
mod watched;

#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos/mod.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
#[path = "unsupported.rs"]
mod system;

pub use agent::{ProcessTable, agent_of, ancestors, first_that_is_no_shell};
pub use error::{Gone, NotVisible, ProcessError, WatchError};
pub use peer::Peer;
pub use process::{Process, pid_namespace};
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub use system::Proc;
pub use watched::Watched;
