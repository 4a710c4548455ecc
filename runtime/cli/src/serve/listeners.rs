//! The daemon's listeners: the Unix socket, a TCP address, and sockets from systemd.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use anyhow::anyhow;
use lastword_server::Server;
use listenfd::ListenFd;
use tokio::runtime::Handle;

use super::handed_socket;
use super::settings::Settings;
use super::socket_file::{self, SocketFile};
use crate::exit::Failure;

/// Open listeners that are not served yet. A client that connects now is answered when the daemon is ready.
#[derive(Default)]
pub(super) struct Listeners {
    unix: Vec<UnixListener>,
    tcp: Vec<TcpListener>,
    /// The paths of the sockets.
    sockets: Vec<PathBuf>,
    addresses: Vec<SocketAddr>,
    /// The file of our own socket.
    file: Option<SocketFile>,
}

/// Keeps our own socket. Dropping it removes the socket.
pub(super) struct Serving {
    _file: Option<SocketFile>,
}

impl Listeners {
    /// Takes the sockets that systemd has opened, and opens the rest. A socket from systemd replaces our own of the
    /// same kind.
    ///
    /// # Errors
    /// When a socket is served already, cannot be made, or may not be served like this.
    pub(super) fn open(settings: &Settings) -> Result<Self, Failure> {
        let mut listeners = Self::default();
        listeners.take_over(&mut ListenFd::from_env())?;
        if listeners.unix.is_empty() {
            let (unix, file) = socket_file::bind(&settings.socket, settings.patience)?;
            listeners.unix.push(unix);
            listeners.sockets.push(settings.socket.path.clone());
            listeners.file = Some(file);
        }
        if let Some(address) = settings.listen {
            let tcp = TcpListener::bind(address).map_err(|error| {
                Failure::usage(
                    anyhow!(error).context(format!("{address} cannot be listened on: name another with --listen")),
                )
            })?;
            listeners.tcp.push(tcp);
        }
        for tcp in &listeners.tcp {
            let address = tcp.local_addr().map_err(Failure::internal)?;
            settings.check_address(address)?;
            listeners.addresses.push(address);
        }
        Ok(listeners)
    }

    fn take_over(&mut self, handed: &mut ListenFd) -> Result<(), Failure> {
        let unusable = |error: io::Error| {
            Failure::usage(anyhow!(error).context("a socket that systemd has handed over cannot be served"))
        };
        for number in 0..handed.len() {
            // A descriptor that is no Unix socket stays in its place.
            if let Ok(Some(unix)) = handed.take_unix_listener(number) {
                self.sockets.push(handed_socket::private_path(&unix)?);
                self.unix.push(unix);
            } else if let Some(tcp) = handed.take_tcp_listener(number).map_err(unusable)? {
                self.tcp.push(tcp);
            }
        }
        Ok(())
    }

    pub(super) fn sockets(&self) -> &[PathBuf] {
        &self.sockets
    }

    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves all listeners on `engine`.
    ///
    /// # Errors
    /// When tokio cannot register one.
    pub(super) fn serve(self, engine: &Handle, server: &Server, settings: &Settings) -> io::Result<Serving> {
        let _context = engine.enter();
        for unix in self.unix {
            unix.set_nonblocking(true)?;
            let (listener, server) = (tokio::net::UnixListener::from_std(unix)?, server.clone());
            engine.spawn(async move { server.serve_unix(listener).await });
        }
        for tcp in self.tcp {
            tcp.set_nonblocking(true)?;
            let (listener, server) = (tokio::net::TcpListener::from_std(tcp)?, server.clone());
            let tls = settings.tls.clone();
            engine.spawn(async move {
                if let Err(error) = server.serve_tcp(listener, tls).await {
                    tracing::error!(%error, "an address is not served");
                }
            });
        }
        Ok(Serving { _file: self.file })
    }
}
