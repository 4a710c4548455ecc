//! Builds a server.

use std::sync::Arc;

use lastword::{Clock, Runtime, Sandbox};
use lastword_protocol::owners::InputSettings;

use crate::access::TokenStore;
use crate::clock::MachineClock;
use crate::cluster::Cluster;
use crate::controls::Controls;
use crate::observer::ServerObserver;
use crate::owner_drains::OwnerDrains;
use crate::requests::Inputs;
use crate::server::Server;
use crate::settings::{OwnerSettings, ServerLimits};

/// Builds a [`Server`]. Begin with [`Server::builder`].
pub struct ServerBuilder {
    pub(crate) runtime: Runtime,
    pub(crate) observer: ServerObserver,
    pub(crate) owners: OwnerSettings,
    pub(crate) inputs: Inputs,
    pub(crate) tokens: Arc<TokenStore>,
    pub(crate) hosts: Vec<String>,
    pub(crate) limits: ServerLimits,
    pub(crate) controls: Option<Arc<dyn Controls>>,
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
    pub(crate) owner_drains: Option<Arc<dyn OwnerDrains>>,
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leaves_when_idle: bool,
}

impl ServerBuilder {
    pub(crate) fn new(runtime: Runtime, observer: ServerObserver) -> Self {
        Self {
            runtime,
            observer,
            owners: OwnerSettings::default(),
            inputs: Inputs::default(),
            tokens: Arc::default(),
            hosts: Vec::new(),
            limits: ServerLimits::default(),
            controls: None,
            cluster: None,
            owner_drains: None,
            sandbox: None,
            clock: Arc::new(MachineClock),
            leaves_when_idle: false,
        }
    }

    /// Sets how the server watches owners. Default: [`OwnerSettings::default`].
    #[must_use]
    pub fn owners(self, owners: OwnerSettings) -> Self {
        Self { owners, ..self }
    }

    /// Sets which parts of the hook payloads of one format are kept. Call it once for each format. The other formats
    /// keep their defaults.
    #[must_use]
    pub fn input(mut self, input: InputSettings) -> Self {
        self.inputs.set(input);
        self
    }

    /// Sets the tokens that are valid over TCP. Keep a clone to replace them later. Without this nobody is let in over
    /// TCP.
    #[must_use]
    pub fn tokens(self, tokens: Arc<TokenStore>) -> Self {
        Self { tokens, ..self }
    }

    /// Sets the names by which browsers may request the page, besides `localhost` and every address. Default: none.
    #[must_use]
    pub fn hosts(self, hosts: Vec<String>) -> Self {
        Self { hosts, ..self }
    }

    /// Sets the limits for clients. Default: [`ServerLimits::default`].
    #[must_use]
    pub fn limits(self, limits: ServerLimits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the actions that only the program can carry out. Without this `/v1/reload` and `/v1/drain` answer `501`.
    #[must_use]
    pub fn controls(self, controls: Arc<dyn Controls>) -> Self {
        Self { controls: Some(controls), ..self }
    }

    /// Sets the cluster that the program is a node of. Without this `/v1/nodes` answers `404`, and every request goes to
    /// the one runtime.
    #[must_use]
    pub fn cluster(self, cluster: Arc<dyn Cluster>) -> Self {
        Self { cluster: Some(cluster), ..self }
    }

    /// Sets the observer of the drains of single owners. Default: none.
    #[must_use]
    pub fn owner_drains(self, owner_drains: Arc<dyn OwnerDrains>) -> Self {
        Self { owner_drains: Some(owner_drains), ..self }
    }

    /// Sets the sandbox of the runtime's plugins, so that `/metrics` shows its slots and its memory.
    #[must_use]
    pub fn sandbox(self, sandbox: Sandbox) -> Self {
        Self { sandbox: Some(sandbox), ..self }
    }

    /// Sets the clock of graces, leases and silences. Pass the runtime's clock if that is not the machine's. Default:
    /// the machine's.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Whether every answer announces, in the header `lastword-leaves-when-idle`, that the program exits when it is
    /// idle. A hook of a newer version may then ask the program to [hand over](Controls::hand_over); the next hook
    /// starts the newer version. Default: false.
    #[must_use]
    pub fn leaves_when_idle(self, leaves_when_idle: bool) -> Self {
        Self { leaves_when_idle, ..self }
    }

    /// Builds the server. Call it inside a tokio runtime with I/O and time enabled: a task of the server watches
    /// owners.
    #[must_use]
    pub fn build(self) -> Server {
        Server::new(self)
    }
}
