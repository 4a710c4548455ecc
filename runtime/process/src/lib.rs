//! Which process an owner is, who is at the other end of a Unix socket, and word of a process's end, without polling.
//!
//! A process's number alone says little: the kernel gives it to another process later, and it means another one in a container.
//! A [`Process`] is known by its number, the time at which it began, and the boot in which it did. A [`Peer`] is who is at the
//! other end of a Unix socket, and decides whether what the peer says of a process is believed. A [`Watched`] process is one whose
//! end the kernel tells, at the moment it happens. [`agent_of`] finds an agent's process from a command that the agent runs.
//!
//! What it is not for: it knows no sessions and no owners, and ends no process. What a death means is up to who calls.
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
//! // A client, here this process itself, says which process owns something.
//! let claimed = Process::of(agent.id())?;
//! let (accepted, _client) = UnixStream::pair()?;
//! let peer = Peer::of(&accepted)?;
//! let watched = peer.verify(&claimed)?;
//!
//! // A process that began at another time is not the one that has the number.
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
//! Linux since 5.5, with `/proc` mounted in the pid namespace of who asks. Since 6.5 the kernel says which process a peer is
//! (`SO_PEERPIDFD`). Before, it says the number only, which may have been given to another process by the time that the connection
//! is accepted; the peer's pid namespace is then taken from that one. What a peer names as owner has to have the right start time
//! in any case.
//!
//! macOS with `kqueue`, `LOCAL_PEERPID` and `libproc`. This part has been compiled, and never run.
//!
//! On other systems everything answers [`ProcessError::NotSupported`].
//!
//! # What cannot be told
//!
//! - The start time is in clock ticks, which are 10 ms. Two processes of one number that began within one tick look alike; the
//!   kernel would have to give out all its other numbers meanwhile.
//! - A peer that carries the words of others, such as `socat` for a container, is believed as if they were its own. Start time and
//!   boot keep it from naming a wrong process. But a process that is not in this pid namespace may look
//!   [dead](NotVisible::Gone) then. Who carries words out of a container should be given a lease.

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
