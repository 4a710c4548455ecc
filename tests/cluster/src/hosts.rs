//! Hosts on one network, which can be cut off from each other: a network namespace each, and a bridge between them.
//!
//! What a cut host sends to the others is lost without a word, as between machines whose cable is cut: nothing is refused, and connections
//! stay open until somebody loses patience. Whatever does not go over the network is as it was: files, and sockets that are files.
//!
//! It takes `ip` of iproute2, and somebody who may make namespaces: root, or `CAP_SYS_ADMIN` with `CAP_NET_ADMIN`.

use std::collections::BTreeSet;
use std::io::{Error, Result, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::namespace::{Back, Namespace};

/// The address of the test. Nothing outside of its namespaces knows of the network, so each test has the same one.
const OF_THE_TEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The length of the network's prefix.
const PREFIX: u8 = 24;
/// The last number of the first host's address.
const FIRST: u8 = 10;
/// A link address that nobody has. The bridge gives all hosts what is sent there, and each throws it away.
const NOBODY: &str = "02:00:00:00:ff:ff";

/// Some hosts, counted from 0, and the test, which reaches all of them.
///
/// The thread that starts them is on their network from then on, with the threads and processes that it starts, and leaves it when it drops
/// this. So a runtime whose tasks reach hosts is made behind that.
#[derive(Debug)]
pub struct Hosts {
    hosts: Vec<Host>,
    /// Pairs that do not reach each other.
    cut: Mutex<BTreeSet<(usize, usize)>>,
    _back: Back,
}

/// A host. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Host {
    /// The last number of its address.
    number: u8,
    namespace: Arc<Namespace>,
}

impl Hosts {
    /// Starts so many.
    ///
    /// # Panics
    /// This machine makes none.
    #[must_use]
    pub fn start(number: u8) -> Self {
        Self::try_start(number).unwrap_or_else(|error| {
            panic!(
                "no hosts can be made here: it takes root, network namespaces, bridges and `ip` of iproute2: {error}"
            )
        })
    }

    fn try_start(number: u8) -> Result<Self> {
        let back = Namespace::new()?.enter_for_now()?;
        ip(&format!(
            "link set lo up\nlink add lan type bridge\naddress add {OF_THE_TEST}/{PREFIX} dev lan\nlink set lan up\n"
        ))?;
        let hosts = (FIRST..FIRST + number).map(Host::start).collect::<Result<Vec<_>>>()?;
        Ok(Self { hosts, cut: Mutex::default(), _back: back })
    }

    /// The address of the test.
    #[must_use]
    pub fn address_of_the_test(&self) -> Ipv4Addr {
        OF_THE_TEST
    }

    /// The host with this number.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn host(&self, host: usize) -> &Host {
        self.hosts.get(host).unwrap()
    }

    /// From now on the host and these others do not reach each other. The test reaches all of them as before.
    ///
    /// # Panics
    /// The system refuses it.
    pub fn cut(&self, host: usize, others: &[usize]) {
        for other in others {
            self.cut.lock().insert((host, *other));
            let (one, other) = (self.host(host), self.host(*other));
            one.sends_to(other, NOBODY, "permanent");
            other.sends_to(one, NOBODY, "permanent");
        }
    }

    /// All reach all again.
    ///
    /// # Panics
    /// The system refuses it.
    pub fn heal(&self) {
        for (one, other) in std::mem::take(&mut *self.cut.lock()) {
            let (one, other) = (self.host(one), self.host(other));
            one.sends_to(other, &other.link_address(), "reachable");
            other.sends_to(one, &one.link_address(), "reachable");
        }
    }
}

impl Host {
    fn start(number: u8) -> Result<Self> {
        let host = Self { number, namespace: Arc::new(Namespace::new()?) };
        let (address, link, namespace) = (host.address(), host.link_address(), host.namespace.path());
        ip(&format!(
            "link add host{number} type veth peer name eth0 address {link} netns {namespace}\n\
             link set host{number} master lan up\n"
        ))?;
        host.inside(|| ip(&format!("link set lo up\naddress add {address}/{PREFIX} dev eth0\nlink set eth0 up\n")))?;
        Ok(host)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        let [a, b, c, _] = OF_THE_TEST.octets();
        Ipv4Addr::new(a, b, c, self.number)
    }

    /// Does this on the host. What it starts and the sockets that it makes stay there.
    ///
    /// # Panics
    /// The system refuses it.
    pub fn inside<T>(&self, act: impl FnOnce() -> T) -> T {
        let _back = self.namespace.enter_for_now().unwrap();
        act()
    }

    fn link_address(&self) -> String {
        format!("02:00:00:00:00:{:02x}", self.number)
    }

    /// To which link address it sends what is for that host: it asks nobody for it.
    fn sends_to(&self, other: &Self, link_address: &str, state: &str) {
        let address = other.address();
        let known = format!("neighbour replace {address} lladdr {link_address} dev eth0 nud {state}\n");
        self.inside(|| ip(&known)).unwrap();
    }
}

/// Does what these lines say, in the namespace of this thread.
fn ip(lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut ip = command.spawn().map_err(|error| Error::other(format!("ip: {error}")))?;
    if let Some(mut stdin) = ip.stdin.take() {
        stdin.write_all(lines.as_bytes())?;
    }
    let output = ip.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        return Err(Error::other(format!("ip: {said}")));
    }
    Ok(())
}
