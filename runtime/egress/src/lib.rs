//! Outgoing HTTP for sandboxed guests that goes only where the operator allows.
//!
//! An operator configures [`Destination`]s, exactly scheme + host + port. A guest's call gets an [`Allowance`]: that
//! list, [`Limits`], and the call's use of them. [`Egress::send`] then sends one request, or returns the rule that
//! forbids it:
//!
//! 1. A destination that is not exactly allowed is denied before any look-up. The request line, the host header and
//!    the TLS name all come from the checked destination. Tunnels and protocol upgrades are refused.
//! 2. A name is resolved once, every address of the answer is checked, and the connection goes to a checked address.
//!    Private, loopback, link-local, metadata and other special addresses are refused unless that literal address and
//!    port was granted. One such address in an answer refuses the whole answer.
//! 3. Redirects are returned, never followed.
//! 4. No proxy from the environment, no cookies, no decompression.
//! 5. TLS 1.2 or newer, verified against the granted host, with the operating system's roots.
//! 6. All accounts share look-ups and connections: an [`Account`] may hold a part of them, and turns are fair.
//! 7. A server that never answers, drips, or sends without end is bounded by [`Timeouts`] and [`Limits`].
//! 8. Connections, TLS sessions and addresses of names are reused for some seconds: the first two by the same
//!    [`Account`] only, the last within its tenant. Every address is checked each time.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Empty};
//! use lastword_egress::{AllowList, Allowance, Destination, Egress, EgressError, Limits, Timeouts};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let origin = format!("http://{}", listener.local_addr()?);
//! tokio::spawn(async move {
//!     let (mut stream, _) = listener.accept().await?;
//!     stream.read(&mut [0; 1024]).await?;
//!     stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await
//! });
//!
//! // Loopback is refused unless it is granted as the literal address, as here.
//! let allowed: AllowList = [origin.parse::<Destination>()?].into_iter().collect();
//! let allowance = Arc::new(Allowance::new(Arc::new(allowed), Limits::default()));
//! let timeouts = Timeouts {
//!     connect: Duration::from_secs(5),
//!     first_byte: Duration::from_secs(5),
//!     between_bytes: Duration::from_secs(5),
//!     total: Duration::from_secs(10),
//! };
//!
//! let egress = Egress::new();
//! let request = http::Request::get(format!("{origin}/greeting")).body(Empty::<Bytes>::new())?;
//! let sent = egress.send(&allowance, request, timeouts).await?;
//! tokio::spawn(sent.connection);
//! assert_eq!(sent.response.into_body().collect().await?.to_bytes(), "hi");
//!
//! let request = http::Request::get("http://metadata.internal/").body(Empty::<Bytes>::new())?;
//! let denied = egress.send(&allowance, request, timeouts).await;
//! assert!(matches!(denied, Err(EgressError::Denied { .. })));
//! # Ok(())
//! # }
//! ```
//!
//! The crate is no general HTTP client (no HTTP/2, and a retry only after a kept connection has ended), no filter for
//! the content that is sent to an allowed server, and no protection against a server that the operator should not have
//! allowed. It knows no WebAssembly: its caller maps [`EgressError`] to the guest's error.
#![forbid(unsafe_code)]

mod account;
mod addresses;
mod again;
mod allow_list;
mod allowance;
mod connections;
mod destination;
mod dial;
mod egress;
mod error;
mod exchange;
mod head_gate;
mod hyper_error;
mod idle;
mod io;
mod kept;
mod lack;
pub mod limits;
mod line;
mod lookups;
mod names;
mod outgoing;
mod request_body;
mod resolve;
mod response_body;
mod threads;
mod timeouts;
mod tls;
mod turns;

pub use account::Account;
pub use allow_list::AllowList;
pub use allowance::{Allowance, Usage};
pub use destination::{Destination, Host, ParseDestinationError, Scheme};
pub use egress::Egress;
pub use error::{BoxError, EgressError};
pub use exchange::{Connection, Sent};
pub use limits::Limits;
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use response_body::ResponseBody;
pub use timeouts::Timeouts;
