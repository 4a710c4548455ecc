//! Three servers that are one cluster, and what happens to each of them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;

use parking_lot::Mutex;
use tempfile::TempDir;

use crate::address::Addresses;
use crate::configuration::{NatsSettings, SERVERS, User, name};
use crate::hosts::{Host, Hosts};
use crate::monitoring::{self, StreamView};
use crate::patience::{PATIENCE, look, look_for};
use crate::server::{Server, State};
use crate::starter::Starter;

/// How often ports are picked anew because somebody else was faster.
const TRIES: usize = 5;
/// What a server says whose port is taken.
const PORT_IS_TAKEN: &str = "address already in use";

/// Three servers on loopback or on hosts of their own, each with its store in a folder that is gone with this. Servers are counted from 0.
///
/// When a test fails, what the servers said last is printed, and their logs are kept.
pub struct NatsCluster {
    // Before what they are started by: they are stopped first.
    servers: Vec<Mutex<Server>>,
    starter: Starter,
    with_its_parent: PathBuf,
    folder: TempDir,
}

impl NatsCluster {
    /// Starts three servers as the journal asks for them, and waits until they are one cluster. `with_its_parent` is the program of this
    /// package with that name.
    ///
    /// # Panics
    /// They do not become one.
    #[must_use]
    pub fn start(with_its_parent: impl AsRef<Path>) -> Self {
        Self::start_as(with_its_parent, &NatsSettings::default())
    }

    /// The same, configured like this.
    ///
    /// # Panics
    /// They do not become one.
    #[must_use]
    pub fn start_as(with_its_parent: impl AsRef<Path>, settings: &NatsSettings) -> Self {
        Self::start_at(with_its_parent.as_ref(), settings, &[])
    }

    /// The same as [`start`](Self::start), with each server on the host of its number.
    ///
    /// # Panics
    /// They do not become one.
    #[must_use]
    pub fn start_on(hosts: &Hosts, with_its_parent: impl AsRef<Path>) -> Self {
        let hosts: Vec<_> = (0..SERVERS).map(|number| hosts.host(number).clone()).collect();
        Self::start_at(with_its_parent.as_ref(), &NatsSettings::default(), &hosts)
    }

    fn start_at(with_its_parent: &Path, settings: &NatsSettings, hosts: &[Host]) -> Self {
        for _ in 0..TRIES {
            let cluster = Self::begin(with_its_parent, settings, hosts);
            match look(PATIENCE, || cluster.begun()) {
                Some(Begun::Whole) => {
                    if settings.access.is_none() && settings.tls.is_none() {
                        cluster.wait_until_streams_can_be_made(cluster.for_operators());
                    }
                    return cluster;
                }
                Some(Begun::PortTaken) => {}
                None => panic!("the three servers did not become one cluster"),
            }
        }
        panic!("each of {TRIES} times somebody had taken a port that was free a moment before");
    }

    /// Without hosts, on loopback.
    fn begin(with_its_parent: &Path, settings: &NatsSettings, hosts: &[Host]) -> Self {
        let folder = tempfile::Builder::new().prefix("lastword-nats-").tempdir().unwrap();
        let addresses = match hosts {
            [] => Addresses::pick(SERVERS).unwrap(),
            hosts => hosts.iter().map(Addresses::on).collect(),
        };
        let starter = Starter::new();
        let servers = addresses.iter().enumerate().map(|(number, own)| {
            let mut server = Server::new(number, *own, hosts.get(number).cloned(), folder.path());
            server.configure(&settings.file(number, &addresses, &folder.path().join(name(number))));
            server.start(&starter, with_its_parent);
            Mutex::new(server)
        });
        let servers = servers.collect();
        Self { servers, starter, with_its_parent: with_its_parent.to_owned(), folder }
    }

    fn begun(&self) -> Option<Begun> {
        let left = self.servers.iter().find(|server| server.lock().has_left());
        if let Some(left) = left {
            let left = left.lock();
            assert!(left.said(PORT_IS_TAKEN), "{} has left:\n{}", left.name(), left.last_said());
            return Some(Begun::PortTaken);
        }
        self.is_whole().then_some(Begun::Whole)
    }

    /// Whether all three run, are healthy, are joined to each other and agree on who leads the cluster.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let all: Vec<_> = (0..SERVERS).filter(|server| self.state(*server) == State::Running).collect();
        all.len() == SERVERS
            && self.agreed_meta_leader(&all).is_some()
            && all.iter().all(|server| self.is_healthy(*server) && self.is_joined(*server))
    }

    /// Waits until [all is well](Self::is_whole): each replica has what the others have.
    ///
    /// # Panics
    /// It does not come to that.
    #[track_caller]
    pub fn wait_until_whole(&self) {
        look_for("three healthy servers with one leader", || self.is_whole().then_some(()));
    }

    /// Where clients connect.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.lock().clients()).collect()
    }

    /// `nats://host:port` of each.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.addresses().iter().map(|address| format!("nats://{address}")).collect()
    }

    /// `tls://host:port` of each.
    #[must_use]
    pub fn tls_urls(&self) -> Vec<String> {
        self.addresses().iter().map(|address| format!("tls://{address}")).collect()
    }

    /// `http://host:port` of the monitoring of each.
    #[must_use]
    pub fn monitoring(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("http://{}", server.lock().monitoring())).collect()
    }

    /// The file with this user's password.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn password(&self, user: User) -> PathBuf {
        let file = self.folder.path().join(format!("{}.password", user.name));
        fs::write(&file, user.password).unwrap();
        file
    }

    /// SIGKILL: the server is gone when this returns.
    pub fn kill(&self, server: usize) {
        self.of(server).lock().kill();
    }

    /// SIGKILL for several at once.
    pub fn kill_all(&self, servers: &[usize]) {
        thread::scope(|scope| {
            for server in servers {
                scope.spawn(|| self.kill(*server));
            }
        });
    }

    /// Starts a server that was killed, with the store that it has left and on the same ports. It does not wait.
    ///
    /// # Panics
    /// It runs.
    pub fn restart(&self, server: usize) {
        self.of(server).lock().start(&self.starter, &self.with_its_parent);
    }

    /// The same, with other settings from now on.
    ///
    /// # Panics
    /// It runs.
    pub fn restart_as(&self, server: usize, settings: &NatsSettings) {
        let addresses: Vec<_> = self.servers.iter().map(|one| one.lock().addresses()).collect();
        let mut restarted = self.of(server).lock();
        restarted.configure(&settings.file(server, &addresses, &self.folder.path().join(name(server))));
        restarted.start(&self.starter, &self.with_its_parent);
    }

    /// SIGSTOP: it is there and answers nothing, as with a disk that hangs.
    pub fn suspend(&self, server: usize) {
        self.of(server).lock().suspend();
    }

    /// SIGCONT.
    pub fn resume(&self, server: usize) {
        self.of(server).lock().resume();
    }

    /// From now on the server can write nothing more to its disk, not even to its log, as when that is full. It has room again once it is
    /// killed and started again: a server never writes again to a file that it could not write to.
    ///
    /// The system refuses with "file too large" in the place of "no space left on device", for which a disk of its own would be needed. With
    /// the latter a server turns JetStream off until it is restarted. For its streams that is the same: it stores and acknowledges nothing.
    pub fn fill_disk(&self, server: usize) {
        self.of(server).lock().fill_disk();
    }

    /// Whether one of the servers has ever said this.
    #[must_use]
    pub fn have_said(&self, words: &str) -> bool {
        self.servers.iter().any(|server| server.lock().said(words))
    }

    /// Who leads the cluster's own group.
    ///
    /// # Panics
    /// Nobody does in time.
    #[must_use]
    #[track_caller]
    pub fn meta_leader(&self) -> usize {
        look_for("a leader of the cluster", || self.agreed_meta_leader(&self.running()))
    }

    /// Who leads this stream: a server that runs, says so itself, and is the only one that does.
    ///
    /// # Panics
    /// Nobody does in time.
    #[must_use]
    #[track_caller]
    pub fn leader_of(&self, stream: &str) -> usize {
        look_for(&format!("a leader of {stream}"), || self.leads_now(stream))
    }

    /// The same, if it is so now.
    #[must_use]
    pub fn leads_now(&self, stream: &str) -> Option<usize> {
        self.leads_among(&self.running(), stream)
    }

    /// Who of these servers leads this stream. Others are not asked: one that is cut off takes itself for the leader for some time.
    ///
    /// # Panics
    /// None of them does in time.
    #[must_use]
    #[track_caller]
    pub fn leader_among(&self, servers: &[usize], stream: &str) -> usize {
        look_for(&format!("a leader of {stream} among {servers:?}"), || self.leads_among(servers, stream))
    }

    fn leads_among(&self, servers: &[usize], stream: &str) -> Option<usize> {
        let says = |server: &usize| self.view(*server, stream).is_some_and(|view| view.leader == Some(name(*server)));
        let leaders: Vec<_> = servers.iter().copied().filter(says).collect();
        <[usize; 1]>::try_from(leaders).ok().map(|[leader]| leader)
    }

    /// The servers that do not lead this stream.
    ///
    /// # Panics
    /// Nobody leads it in time.
    #[must_use]
    #[track_caller]
    pub fn followers_of(&self, stream: &str) -> [usize; SERVERS - 1] {
        let leader = self.leader_of(stream);
        let others: Vec<_> = (0..SERVERS).filter(|server| *server != leader).collect();
        <[usize; SERVERS - 1]>::try_from(others).unwrap()
    }

    /// A stream as its leader sees it.
    ///
    /// # Panics
    /// Nobody leads it in time.
    #[must_use]
    #[track_caller]
    pub fn stream(&self, stream: &str) -> StreamView {
        look_for(stream, || self.view(self.leads_now(stream)?, stream))
    }

    /// How many clients are connected to this server.
    ///
    /// # Panics
    /// It does not say it in time.
    #[must_use]
    #[track_caller]
    pub fn clients_of(&self, server: usize) -> u64 {
        let address = self.of(server).lock().monitoring();
        look_for("the number of a server's clients", || monitoring::clients(address))
    }

    fn view(&self, server: usize, stream: &str) -> Option<StreamView> {
        let address = self.of(server).lock().monitoring();
        monitoring::stream(address, stream)
    }

    fn agreed_meta_leader(&self, servers: &[usize]) -> Option<usize> {
        let mut said = servers.iter().map(|server| {
            let address = self.of(*server).lock().monitoring();
            monitoring::meta_leader(address)
        });
        let first = said.next()??;
        let agree = said.all(|other| other.as_ref() == Some(&first));
        agree.then(|| servers.iter().copied().find(|server| name(*server) == first)).flatten()
    }

    fn is_healthy(&self, server: usize) -> bool {
        let address = self.of(server).lock().monitoring();
        monitoring::is_healthy(address)
    }

    fn is_joined(&self, server: usize) -> bool {
        let address = self.of(server).lock().monitoring();
        monitoring::is_joined(address, SERVERS - 1)
    }

    fn running(&self) -> Vec<usize> {
        (0..SERVERS).filter(|server| self.state(*server) == State::Running).collect()
    }

    fn state(&self, server: usize) -> State {
        self.of(server).lock().state()
    }

    fn of(&self, server: usize) -> &Mutex<Server> {
        self.servers.get(server).unwrap()
    }
}

impl Drop for NatsCluster {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for server in &self.servers {
            let mut server = server.lock();
            server.kill();
            eprintln!("━━ what {} said last\n{}", server.name(), server.last_said());
            // Only the logs and the configuration are of use later.
            fs::remove_dir_all(self.folder.path().join(server.name())).ok();
        }
        self.folder.disable_cleanup(true);
        eprintln!("━━ all of it is in {}", self.folder.path().display());
    }
}

/// What became of three servers that were started.
enum Begun {
    Whole,
    PortTaken,
}
