//! The daemon's settings: those of the command line, then those of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use lastword_config::{Daemon, Journal, MEMORY, OnStop};
use lastword_server::OwnerSettings;

use crate::args::ServeArgs;
use crate::config::Config;
use crate::exit::Failure;
use crate::limits::{HAND_OVER, KILLED_EXIT};
use crate::socket::SocketPlace;
use crate::tls;

/// The settings of serving and of stopping.
pub(super) struct Settings {
    pub(super) socket: SocketPlace,
    /// The time for a daemon that is about to exit to free its socket and journal.
    pub(super) patience: Duration,
    pub(super) listen: Option<SocketAddr>,
    /// The file of tokens, which is read now and at each reload.
    pub(super) tokens: Option<PathBuf>,
    /// Names by which browsers may request the page.
    pub(super) hosts: Vec<String>,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) owners: OwnerSettings,
    pub(super) on_stop: OnStop,
    pub(super) metrics_tenants: bool,
}

impl Settings {
    /// # Errors
    /// When settings contradict each other, or a TLS file cannot be used.
    pub(super) fn of(args: &ServeArgs, config: &Config) -> Result<Self, Failure> {
        let daemon = &config.daemon;
        let named = args.runtime.journal.as_ref();
        let is_in_memory =
            named.map_or(config.journal == Some(Journal::Memory), |journal| journal.as_os_str() == MEMORY);
        if args.exit_when_idle.is_some() && is_in_memory {
            return Err(Failure::usage(anyhow!(
                "--exit-when-idle leaves nothing to the next daemon with a journal in memory: name a file"
            )));
        }
        let is_on_cluster = named.is_none() && matches!(config.journal, Some(Journal::JetStream(_)));
        if args.exit_when_idle.is_some() && is_on_cluster {
            return Err(Failure::usage(anyhow!(
                "--exit-when-idle is not for a node of a cluster, which has to be there when another one dies: leave it out, or \
                 name a file with --journal"
            )));
        }
        if daemon.on_stop == OnStop::Keep && is_in_memory {
            return Err(Failure::usage(anyhow!(
                "on-stop = \"keep\" keeps nothing with a journal in memory: name a file, or say \"drain\""
            )));
        }
        let tls = daemon.tls.as_ref().map(tls::load).transpose()?;
        let settings = Self {
            socket: SocketPlace::choose(args.socket.as_deref(), daemon.socket.as_deref())?,
            patience: if args.spawned { HAND_OVER } else { KILLED_EXIT },
            listen: args.listen.or(daemon.listen),
            tokens: args.tokens.clone().or_else(|| daemon.tokens.clone()),
            hosts: daemon.hosts.clone(),
            tls,
            owners: owners(args, daemon, config),
            on_stop: daemon.on_stop,
            metrics_tenants: daemon.metrics_tenants,
        };
        if let Some(address) = settings.listen {
            settings.check_address(address)?;
        }
        Ok(settings)
    }

    /// Checks whether an address may be served.
    ///
    /// # Errors
    /// When nobody could authenticate, or everybody could read the tokens.
    pub(super) fn check_address(&self, address: SocketAddr) -> Result<(), Failure> {
        if self.tokens.is_none() {
            return Err(Failure::usage(anyhow!(
                "nobody could come in at {address} without a token: say --tokens tokens.toml, and make some with `lastword token`"
            )));
        }
        if self.tls.is_none() && !address.ip().is_loopback() {
            return Err(Failure::usage(anyhow!(
                "at {address} tokens would cross the network for everybody to read: name tls = {{ certificate = …, key = … }} in \
                 [daemon], or listen on 127.0.0.1:{}",
                address.port()
            )));
        }
        Ok(())
    }
}

fn owners(args: &ServeArgs, daemon: &Daemon, config: &Config) -> OwnerSettings {
    OwnerSettings {
        grace: args.owner_grace.unwrap_or(daemon.owner_grace),
        idle_after: daemon.idle_after.iter().map(|(kind, time)| (Arc::from(kind.as_str()), *time)).collect(),
        drain_budget: config.drain.budget,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn settings(args: &[&str], daemon: Daemon) -> Result<Settings, Failure> {
        let cli = Cli::try_parse_from([&["lastword", "serve", "--socket", "/s"], args].concat()).unwrap();
        let Command::Serve(args) = cli.command else { panic!() };
        Settings::of(&args, &Config { daemon, ..Config::default() })
    }

    #[test]
    fn an_address_takes_tokens_and_beyond_this_machine_tls() {
        let refusal = |args: &[&str]| settings(args, Daemon::default()).map(drop).unwrap_err().error.to_string();
        assert!(refusal(&["--listen", "127.0.0.1:0"]).contains("without a token: say --tokens tokens.toml"));
        let plain = refusal(&["--listen", "10.0.0.1:7417", "--tokens", "t"]);
        assert!(plain.contains("or listen on 127.0.0.1:7417"), "{plain}");
        assert!(settings(&["--listen", "[::1]:0", "--tokens", "t"], Daemon::default()).is_ok());
    }

    #[test]
    fn a_node_of_a_cluster_does_not_leave_because_nobody_needs_it() {
        let text = "[journal.jetstream]\nservers = [\"n1\"]\nassume-sync-always = true\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lastword.toml");
        std::fs::write(&path, text).unwrap();
        let of = |args: &[&str]| {
            let cli = Cli::try_parse_from([&["lastword", "serve", "--socket", "/s"], args].concat()).unwrap();
            let Command::Serve(args) = cli.command else { panic!() };
            Settings::of(&args, &Config::load(&path).unwrap()).map(drop)
        };
        assert!(of(&[]).is_ok());
        let refusal = of(&["--exit-when-idle", "10m"]).unwrap_err().error.to_string();
        assert!(refusal.contains("--exit-when-idle is not for a node of a cluster"), "{refusal}");
        assert!(of(&["--exit-when-idle", "10m", "--journal", "j.db"]).is_ok());
    }

    #[test]
    fn what_is_in_memory_cannot_be_kept() {
        let keep = || Daemon { on_stop: OnStop::Keep, ..Daemon::default() };
        assert!(settings(&["--journal", "memory"], keep()).is_err());
        assert!(settings(&["--journal", "j.db"], keep()).is_ok());
    }
}
