//! Who is at the other end of a Unix socket, and what is believed of what it says.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use lastword_process::{Gone, NotVisible, Peer, Process, ProcessError, Watched};
use tempfile::TempDir;

use crate::support::{ForAnyUser, Running, again, is_root, is_the_other, soon, told};

/// A Unix socket that others connect to.
pub(crate) struct Socket {
    listener: UnixListener,
    directory: TempDir,
}

impl Socket {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { listener: UnixListener::bind(directory.path().join("socket")).unwrap(), directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub(crate) fn accept(&self) -> Peer {
        Peer::of(self.listener.accept().unwrap().0).unwrap()
    }

    /// This test process, at the other end.
    fn ourselves(&self) -> Peer {
        let _stream = UnixStream::connect(self.path()).unwrap();
        self.accept()
    }
}

/// What the other process of a test does: it connects, says who it is, and waits. The peer is its own owner.
pub(crate) fn connect_and_wait() {
    let _stream = UnixStream::connect(told()).unwrap();
    println!("this is {}", serde_json::to_string(&Process::current().unwrap()).unwrap());
    told();
}

/// A test's other process, connected, and what it says of itself.
pub(crate) fn connected(socket: &Socket, command: &mut Command) -> (Running, Peer, Process) {
    let mut client = Running::start(command);
    client.say(socket.path().to_str().unwrap());
    let claimed = serde_json::from_str(&client.heard("this is ")).unwrap();
    (client, socket.accept(), claimed)
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[track_caller]
pub(crate) fn assert_not_visible(watched: Result<Watched, NotVisible>, expected: &str) {
    let not_visible = watched.expect_err("it is believed");
    assert_eq!(not_visible.name(), expected, "{not_visible}");
}

#[tokio::test]
async fn a_peer_that_names_itself_is_believed_and_its_end_is_told() {
    if is_the_other() {
        return connect_and_wait();
    }
    let socket = Socket::new();
    let test = "peers::a_peer_that_names_itself_is_believed_and_its_end_is_told";
    let (mut client, peer, claimed) = connected(&socket, &mut again(test, &[]));
    assert_eq!((peer.uid(), peer.pid()), (uid(), Some(client.pid())));
    assert_eq!(claimed, client.process());
    let watched = peer.verify(&claimed).unwrap();
    assert_eq!(watched.process(), &claimed);
    client.kill();
    soon(watched.exited()).await;
    // The connection outlives the process in the accepting one's hands; its word does not.
    assert!(matches!(peer.verify(&claimed), Err(NotVisible::Gone(Gone::Zombie))));
}

#[tokio::test]
async fn a_peer_that_names_another_process_of_its_user_is_believed() {
    let mut agent = Running::cat();
    let watched = Socket::new().ourselves().verify(&agent.process()).unwrap();
    assert_eq!(watched.process(), &agent.process());
    agent.kill();
    soon(watched.exited()).await;
}

#[tokio::test]
async fn a_start_time_that_is_not_ours_is_not_believed() {
    let (agent, peer) = (Running::cat(), Socket::new().ourselves());
    for start_time in [0, agent.process().start_time - 1, agent.process().start_time + 1, u64::MAX] {
        assert_not_visible(peer.verify(&Process { start_time, ..agent.process() }), "other-start-time");
    }
    assert!(peer.verify(&agent.process()).is_ok());
}

#[tokio::test]
async fn a_peer_of_another_boot_is_not_believed_and_nobody_is_dead() {
    let peer = Socket::new().ourselves();
    let elsewhere = Process { boot_id: "another machine's".into(), ..Process::current().unwrap() };
    assert_not_visible(peer.verify(&elsewhere), "other-boot");
}

#[tokio::test]
async fn another_users_process_is_not_believed() {
    let peer = Socket::new().ourselves();
    let (_daemon, others) = if is_root() {
        let daemon = Running::start(Command::new("cat").uid(1));
        let process = daemon.process();
        (Some(daemon), process)
    } else {
        (None, Process::of(1).unwrap())
    };
    assert_not_visible(peer.verify(&others), "other-user");
}

#[tokio::test]
async fn a_peers_user_is_the_one_that_connected() {
    if is_the_other() {
        return connect_and_wait();
    }
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let socket = Socket::new();
    // Anybody may connect.
    for path in [socket.directory.path(), &socket.path()] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let test = "peers::a_peers_user_is_the_one_that_connected";
    let program = ForAnyUser::new();
    let (client, peer, claimed) = connected(&socket, program.again(test, &[]).uid(1));
    assert_eq!((peer.uid(), peer.pid()), (1, Some(client.pid())));
    assert!(peer.verify(&claimed).is_ok());
    assert_not_visible(peer.verify(&Process::current().unwrap()), "other-user");
}

#[tokio::test]
async fn a_process_that_is_dead_by_now_is_a_death_and_not_a_lie() {
    let peer = Socket::new().ourselves();
    let agent = Running::cat();
    let process = agent.process();
    let zombie = agent.into_zombie();
    assert!(matches!(peer.verify(&process), Err(NotVisible::Gone(Gone::Zombie))));
    // A zombie that the peer did not mean is nobody's death.
    assert_not_visible(
        peer.verify(&Process { start_time: process.start_time - 1, ..process.clone() }),
        "other-start-time",
    );
    zombie.reap();
    assert!(matches!(peer.verify(&process), Err(NotVisible::Gone(Gone::NoProcess))));
}

#[tokio::test]
async fn nonsense_is_not_believed() {
    let peer = Socket::new().ourselves();
    let own = Process::current().unwrap();
    for pid in [0, u32::MAX] {
        assert_not_visible(peer.verify(&Process { pid, ..own.clone() }), "not-a-pid");
    }
    let thread = fs::read_link("/proc/thread-self").unwrap();
    let thread: u32 = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
    if thread != own.pid {
        assert_not_visible(peer.verify(&Process { pid: thread, ..own }), "thread");
    }
}

#[tokio::test]
async fn a_peer_that_left_before_it_was_seen_is_not_believed() {
    if is_the_other() {
        return connect_and_wait();
    }
    let socket = Socket::new();
    let test = "peers::a_peer_that_left_before_it_was_seen_is_not_believed";
    let mut client = Running::start(&mut again(test, &[]));
    client.say(socket.path().to_str().unwrap());
    client.heard("this is ");
    client.reap();
    let peer = socket.accept();
    assert_eq!((peer.uid(), peer.pid()), (uid(), None));
    assert_not_visible(peer.verify(&Process::current().unwrap()), "peer-gone");
}

#[tokio::test]
async fn a_peer_that_has_just_ended_is_believed_as_long_as_it_is_seen() {
    if is_the_other() {
        return connect_and_wait();
    }
    let socket = Socket::new();
    let test = "peers::a_peer_that_has_just_ended_is_believed_as_long_as_it_is_seen";
    let mut client = Running::start(&mut again(test, &[]));
    client.say(socket.path().to_str().unwrap());
    client.heard("this is ");
    let zombie = client.into_zombie();
    let peer = socket.accept();
    assert_eq!(peer.pid(), Some(zombie.pid()));
    assert!(peer.verify(&Process::current().unwrap()).is_ok());
}

#[test]
fn who_is_at_no_unix_sockets_other_end_is_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(matches!(Peer::of(tcp), Err(ProcessError::NoPeer)));
    assert!(matches!(Peer::of(File::open("/dev/null").unwrap()), Err(ProcessError::NoPeer)));
    let unconnected = UnixDatagram::unbound().unwrap();
    assert!(matches!(Peer::of(unconnected), Err(ProcessError::NoPeer)));
}

#[test]
fn the_ends_of_a_pair_are_each_others_peers() {
    let (one, _other) = UnixStream::pair().unwrap();
    assert_eq!(Peer::of(&one).unwrap().pid(), Some(std::process::id()));
}

#[test]
fn what_cannot_be_watched_is_no_death() {
    // There is no tokio runtime here.
    let peer = Socket::new().ourselves();
    assert_not_visible(peer.verify(&Process::current().unwrap()), "watch");
}
