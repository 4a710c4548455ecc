//! What the daemon listens on: the Unix socket, an address, and what systemd hands over.

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

/// Listeners that are open, and not served yet: whoever connects now is answered when the daemon is ready.
#[derive(Default)]
pub(super) struct Listeners {
    unix: Vec<UnixListener>,
    tcp: Vec<TcpListener>,
    /// Where the sockets are.
    sockets: Vec<PathBuf>,
    addresses: Vec<SocketAddr>,
    /// Of the one that is ours.
    file: Option<SocketFile>,
}

/// What keeps the socket that is ours, and takes it away when it is dropped.
pub(super) struct Serving {
    _file: Option<SocketFile>,
}

impl Listeners {
    /// Takes over what systemd has opened, and opens the rest. A socket that was handed over stands for the one that would be made.
    ///
    /// # Errors
    /// When a socket is served already, cannot be made, or may not be served so.
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
            // What is no Unix socket stays where it is.
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

    /// Serves all of them, on `engine`.
    ///
    /// # Errors
    /// When the system does not let tokio have one.
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
