//! The daemon, and the plugins that it serves.

use lastword_events::text::printable_path;
use lastword_protocol::input::DEFAULT_TENANT;
use lastword_server::{PluginStatus, Status};

use super::finding::Finding;
use crate::client::Daemon;
use crate::socket::SocketPlace;

const CHECK: &str = "daemon";

/// Returns the daemon at this place and its status, if one answers.
pub(super) fn find(place: &SocketPlace, findings: &mut Vec<Finding>) -> Option<(Daemon, Status)> {
    let socket = printable_path(&place.path);
    let asked = match Daemon::find(place) {
        Ok(None) => {
            let hint = "start it: `lastword serve --config lastword.toml`, or as a service (docs/operating.md). \
                        Until then what hooks say is kept in the spool";
            findings.push(Finding::wrong(None, CHECK, format!("no daemon answers at {socket}"), hint));
            return None;
        }
        Ok(Some(daemon)) => daemon.get::<Status>("/v1/status").map(|status| (daemon, status)),
        Err(failure) => Err(failure),
    };
    match asked {
        Ok((daemon, status)) => {
            findings.push(of_daemon(&status, &socket));
            findings.extend(of_plugins(&status.plugins));
            Some((daemon, status))
        }
        Err(failure) => {
            let hint = "look into its log, or start it again";
            findings.push(Finding::wrong(None, CHECK, format!("{:#}", failure.error), hint));
            None
        }
    }
}

fn of_daemon(status: &Status, socket: &str) -> Finding {
    let Status { version, pid, .. } = status;
    let ours = env!("CARGO_PKG_VERSION");
    if status.draining {
        let hint = "start it again when it has left";
        return Finding::wrong(None, CHECK, format!("the daemon, process {pid}, is about to leave"), hint);
    }
    if version != ours {
        let says = format!("the daemon, process {pid}, is of version {version}, and this program of {ours}");
        return Finding::wrong(None, CHECK, says, "start the daemon again, with this program");
    }
    Finding::good(None, CHECK, format!("the daemon answers at {socket}: version {version}, process {pid}"))
}

fn of_plugins(plugins: &[PluginStatus]) -> Vec<Finding> {
    // Hooks name no tenant.
    let serves = |plugin: &&PluginStatus| {
        plugin.installed && plugin.tenant.as_deref().is_none_or(|tenant| tenant == DEFAULT_TENANT)
    };
    let serving: Vec<&str> = plugins.iter().filter(serves).map(|plugin| plugin.plugin.as_str()).collect();
    let mut findings = Vec::new();
    findings.push(if serving.is_empty() {
        let hint = "add a [[plugin]] to lastword.toml, and `lastword reload`";
        Finding::wrong(None, "plugins", "no plugin is installed that would be told of sessions that end", hint)
    } else {
        Finding::good(None, "plugins", format!("plugins that are told: {}", serving.join(", ")))
    });
    for plugin in plugins {
        let PluginStatus { plugin, dead, orphaned, .. } = plugin;
        if *dead > 0 {
            let hint = "`lastword deliveries --state dead` says why; then redeliver or drop them";
            findings.push(Finding::wrong(None, "dead", format!("{plugin}: {dead} deliveries were given up"), hint));
        }
        if *orphaned > 0 {
            let says = format!("{plugin} is owed {orphaned} deliveries and is not installed");
            findings.push(Finding::wrong(None, "orphaned", says, "install it, or drop them with `lastword drop`"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn states(plugins: &[PluginStatus]) -> Vec<State> {
        of_plugins(plugins).into_iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn a_plugin_of_another_tenant_serves_no_hook() {
        let plugin = PluginStatus { plugin: "memory".into(), installed: true, ..PluginStatus::default() };
        assert_eq!(states(std::slice::from_ref(&plugin)), [State::Good]);
        let other = PluginStatus { tenant: Some("acme".into()), ..plugin.clone() };
        assert_eq!(states(&[other]), [State::Wrong]);
        assert_eq!(
            states(&[PluginStatus { dead: 1, orphaned: 1, ..plugin }]),
            [State::Good, State::Wrong, State::Wrong]
        );
        assert_eq!(states(&[]), [State::Wrong]);
    }

    #[test]
    fn a_daemon_of_another_version_is_told_of() {
        let status = Status { version: "0.0.1".into(), pid: 7, ..Status::default() };
        assert_eq!(of_daemon(&status, "/s").state, State::Wrong);
        let status = Status { version: env!("CARGO_PKG_VERSION").into(), ..status };
        assert_eq!(of_daemon(&status, "/s").state, State::Good);
    }
}
