//! Three servers, and daemons that are nodes on them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lastword_cluster_tests::{APPLICATION, Hosts, NatsCluster, look_for};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::reports::ReportServer;
use crate::support::{Home, Launch, Program, Raw, http};

/// Three servers, and the folder of what starts them.
pub(super) struct Servers {
    pub(super) cluster: NatsCluster,
    starter: PathBuf,
    _folder: TempDir,
}

/// Becomes a server or a node that goes with the test, where the system has a command for that.
const STARTER: &str =
    "#!/bin/sh\nshift\ncommand -v setpriv > /dev/null && exec setpriv --pdeathsig KILL -- \"$@\"\nexec \"$@\"\n";

impl Servers {
    pub(super) fn start() -> Self {
        Self::begin(|starter| NatsCluster::start(starter))
    }

    /// The same, each on the host of its number.
    pub(super) fn start_on(hosts: &Hosts) -> Self {
        Self::begin(|starter| NatsCluster::start_on(hosts, starter))
    }

    fn begin(start: impl FnOnce(&Path) -> NatsCluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let starter = folder.path().join("starter");
        fs::write(&starter, STARTER).unwrap();
        fs::set_permissions(&starter, Permissions::from_mode(0o700)).unwrap();
        Self { cluster: start(&starter), starter, _folder: folder }
    }

    /// A node of this name, with this in `[daemon]`.
    pub(super) fn node(&self, name: &str, daemon: &str) -> Node {
        self.node_at(Home::new(), name, daemon)
    }

    pub(super) fn node_at(&self, home: Home, name: &str, daemon: &str) -> Node {
        let program = self.launch(&home, name, daemon).start().ready();
        Node { home, program }
    }

    /// The same with a plugin that tells this server of each event, in the place of one that prints. A drain takes the time that it needs.
    pub(super) fn reporting_node_at(&self, home: Home, name: &str, daemon: &str, reports: &ReportServer) -> Node {
        self.reporting_node_of(&self.cluster.urls(), home, name, daemon, reports)
    }

    /// The same, of which the node knows only these servers.
    pub(super) fn reporting_node_of(
        &self,
        servers: &[String],
        home: Home,
        name: &str,
        daemon: &str,
        reports: &ReportServer,
    ) -> Node {
        let config = self.config(servers, name, daemon) + &reporting(reports);
        let program = self.begin_at(&home).with_guest("http-reports").config(&config).start().ready();
        Node { home, program }
    }

    pub(super) fn launch(&self, home: &Home, name: &str, daemon: &str) -> Launch {
        self.begin_at(home).guest("prints").config(&self.config(&self.cluster.urls(), name, daemon))
    }

    fn begin_at(&self, home: &Home) -> Launch {
        // It leaves the first word out, which is a parent's number where it starts a server.
        home.node().through([self.starter.as_os_str(), "-".as_ref()])
    }

    fn config(&self, servers: &[String], name: &str, daemon: &str) -> String {
        let monitoring = self.cluster.monitoring();
        let (user, password) = (APPLICATION.name, self.cluster.password(APPLICATION));
        format!(
            "[journal.jetstream]\nnode = {name:?}\nservers = {servers:?}\nmonitoring = {monitoring:?}\nuser = {user:?}\n\
             password-file = {password:?}\nmax-bytes = \"64MiB\"\n[daemon]\n{daemon}\n"
        )
    }
}

/// The plugin, with a deadline that says nothing of the machine, and with fewer calls at once than this process may have files.
fn reporting(reports: &ReportServer) -> String {
    let server = reports.authority();
    format!(
        "[drain]\nbudget = \"30s\"\n[calls]\nslots = 256\n[[plugin]]\nname = \"reports\"\ncomponent = \"http-reports.wasm\"\n\
         http = [\"http://{server}\"]\nlimits = {{ deadline = \"20s\" }}\n"
    )
}

pub(super) struct Node {
    pub(super) home: Home,
    pub(super) program: Program,
}

impl Node {
    pub(super) fn owner(&self) -> Raw {
        Raw::connect(&self.home.socket())
    }

    /// What it knows of the node of this name, if the registry has it.
    pub(super) fn knows(&self, name: &str) -> Option<Value> {
        let (status, mut cluster) = http(&self.home.socket(), "GET", "/v1/nodes", "");
        assert_eq!(status, 200, "{cluster}");
        let nodes = cluster["nodes"].as_array_mut().unwrap();
        let at = nodes.iter().position(|node| node["node"] == name)?;
        Some(nodes.swap_remove(at))
    }

    /// Waits until it knows that the nodes of these names are there.
    pub(super) fn knows_all(&self, names: &[&str]) {
        let is_active = |name: &&str| self.knows(name).is_some_and(|node| node["state"] == "active");
        look_for("the other nodes", || names.iter().all(is_active).then_some(()));
    }

    /// How it stands with the stream of its own journal.
    pub(super) fn stream(&self) -> Value {
        let (status, mut cluster) = http(&self.home.socket(), "GET", "/v1/nodes", "");
        assert_eq!(status, 200, "{cluster}");
        cluster["stream"].take()
    }

    /// For how many milliseconds nothing was acknowledged although something waits. None: it is not so.
    pub(super) fn unacknowledged_ms(&self) -> Option<u64> {
        self.stream()["silent_ms"].as_u64()
    }

    /// The journal of the node of this name, as this one knows it.
    pub(super) fn journal_of(&self, name: &str) -> String {
        let node = look_for("a node in the list", || self.knows(name));
        node["journal"].as_str().unwrap().to_owned()
    }

    /// Whether it has the journal of the node of this name in a runtime of its own.
    pub(super) fn has_adopted(&self, name: &str) -> bool {
        self.knows(name).is_some_and(|node| node["left"].is_object())
    }

    /// Whether it has had it, and nothing is active or owed there any more.
    pub(super) fn has_nothing_left_of(&self, name: &str) -> bool {
        let is_done = |node: Value| node["left"]["sessions"] == 0 && node["left"]["owed"] == 0;
        self.knows(name).is_none_or(is_done)
    }
}
