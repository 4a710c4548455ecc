//! Numbers that mean other processes: containers, and `/proc` that shows less than there is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;

use lastword_process::{Peer, Process, ProcessError, Watched};

use crate::peers::{Socket, assert_not_visible, connect_and_wait, connected};
use crate::support::{ForAnyUser, Running, again, is_root, is_the_other, soon, told, works};

/// A pid namespace as a container has it, with a `/proc` of its own. Anybody may make one, where user namespaces are allowed.
const CONTAINER: [&str; 6] = ["unshare", "--user", "--map-root-user", "--pid", "--kill-child", "--mount-proc"];

#[tokio::test]
async fn a_peer_in_a_container_is_not_believed() {
    if is_the_other() {
        return connect_and_wait();
    }
    if !works(&CONTAINER) {
        return;
    }
    let socket = Socket::new();
    let test = "namespaces::a_peer_in_a_container_is_not_believed";
    let (_client, peer, claimed) = connected(&socket, &mut again(test, &CONTAINER));
    assert_eq!(claimed.pid, 1, "{claimed:?}");
    assert_eq!(peer.pid(), None);
    assert_not_visible(peer.verify(&claimed), "other-pid-namespace");
    // Not even if number and start time happen to be right, and not if the number is nobody's: that is no death.
    assert_not_visible(peer.verify(&Process::current().unwrap()), "other-pid-namespace");
    let dead = Running::cat();
    let process = dead.process();
    dead.reap();
    assert_not_visible(peer.verify(&process), "other-pid-namespace");
}

#[tokio::test]
async fn a_peer_outside_of_our_container_is_not_believed() {
    if is_the_other() {
        let listener = UnixListener::bind(told()).unwrap();
        println!("listening");
        let peer = Peer::of(listener.accept().unwrap().0).unwrap();
        assert_eq!(peer.pid(), None);
        return assert_not_visible(peer.verify(&Process::current().unwrap()), "other-pid-namespace");
    }
    if !works(&CONTAINER) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let test = "namespaces::a_peer_outside_of_our_container_is_not_believed";
    let mut server = Running::start(&mut again(test, &CONTAINER));
    server.say(path.to_str().unwrap());
    server.heard("listening");
    let _stream = UnixStream::connect(path).unwrap();
    server.passed();
}

#[test]
fn within_a_container_everything_is_as_without() {
    if is_the_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let mut agent = Running::cat();
            let (one, _other) = UnixStream::pair().unwrap();
            let watched = Peer::of(&one).unwrap().verify(&agent.process()).unwrap();
            agent.kill();
            soon(watched.exited()).await;
        });
    }
    if works(&CONTAINER) {
        Running::start(&mut again("namespaces::within_a_container_everything_is_as_without", &CONTAINER)).passed();
    }
}

/// The kernel gives out numbers in their order, and a namespace's root may say where it goes on.
#[tokio::test]
async fn who_gets_a_number_again_is_another_process() {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    if is_the_other() {
        let before = Running::cat();
        let process = before.process();
        let watched = Watched::begin(&process).unwrap();
        let number = before.reap();
        // A start time is in ticks of 10 ms. Within one, nobody could tell.
        let after = loop {
            fs::write(LAST, (number - 1).to_string()).unwrap();
            let after = Running::cat();
            assert_eq!(after.pid(), number);
            if after.process().start_time != process.start_time {
                break after;
            }
        };
        // The watch is of the process, and not of the number.
        soon(watched.exited()).await;
        assert!(!process.is_alive().unwrap() && after.process().is_alive().unwrap());
        let again = Watched::begin(&process);
        let said = again.unwrap_err().to_string();
        return assert!(said.contains("another process's now"), "{said}");
    }
    let can_choose = [&CONTAINER[..], &["sh", "-c", "echo 100 >/proc/sys/kernel/ns_last_pid && \"$0\""]].concat();
    if works(&can_choose) {
        Running::start(&mut again("namespaces::who_gets_a_number_again_is_another_process", &CONTAINER)).passed();
    }
}

#[test]
fn a_proc_of_another_namespace_is_not_read() {
    if is_the_other() {
        let process = Process::current();
        assert!(matches!(process, Err(ProcessError::ForeignProc)), "{process:?}");
        let (one, _other) = UnixStream::pair().unwrap();
        return assert!(matches!(Peer::of(&one), Err(ProcessError::ForeignProc)));
    }
    let without_its_proc = &CONTAINER[..5];
    if works(without_its_proc) {
        Running::start(&mut again("namespaces::a_proc_of_another_namespace_is_not_read", without_its_proc)).passed();
    }
}

#[test]
fn without_proc_nothing_is_known() {
    if is_the_other() {
        let process = Process::current();
        return assert!(matches!(process, Err(ProcessError::NoProc)), "{process:?}");
    }
    let empty = [&CONTAINER[..], &["sh", "-c", "mount -t tmpfs none /proc && exec \"$0\" \"$@\""]].concat();
    if works(&empty) {
        Running::start(&mut again("namespaces::without_proc_nothing_is_known", &empty)).passed();
    }
}

#[test]
fn a_process_that_proc_hides_is_not_taken_for_dead() {
    if is_the_other() {
        let hidden = Process::of(1);
        assert!(matches!(hidden, Err(ProcessError::Hidden { pid: 1 })), "{hidden:?}");
        let known = Process { pid: 1, ..Process::current().unwrap() };
        assert!(matches!(known.is_alive(), Err(ProcessError::Hidden { .. })));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one, _other) = UnixStream::pair().unwrap();
        return runtime.block_on(async {
            assert_not_visible(Peer::of(&one).unwrap().verify(&known), "hidden");
            assert!(Watched::begin(&known).is_err_and(|error| error.to_string().contains("hidepid")));
        });
    }
    if !is_root() {
        println!("skipped: only root can become another user, to whom /proc hides its processes");
        return;
    }
    let program = ForAnyUser::new();
    for hidepid in ["1", "2", "ptraceable"] {
        // The shell stays, as the namespace's first process, which is root's.
        let script = format!(
            "mount -t proc -o hidepid={hidepid} proc /proc && setpriv --reuid 1 --regid 1 --clear-groups \"$0\" \"$@\"; exit $?"
        );
        let hiding = ["unshare", "--pid", "--kill-child", "--mount", "sh", "-c", &script];
        if works(&hiding) {
            let test = "namespaces::a_process_that_proc_hides_is_not_taken_for_dead";
            Running::start(&mut program.again(test, &hiding)).passed();
        }
    }
}

/// All users that a user namespace does not map look alike in it.
#[test]
fn a_user_that_is_not_mapped_is_not_believed() {
    if is_the_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = UnixListener::bind(told()).unwrap();
        println!("listening");
        let peer = Peer::of(listener.accept().unwrap().0).unwrap();
        let claimed = Process::of(told().parse().unwrap()).unwrap();
        return runtime.block_on(async { assert_not_visible(peer.verify(&claimed), "unmapped-user") });
    }
    // Here the test's own user is one that is not mapped: nobody is.
    let unmapped = ["unshare", "--user"];
    if !works(&unmapped) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let path = directory.path().join("socket");
    let mut server = Running::start(&mut again("namespaces::a_user_that_is_not_mapped_is_not_believed", &unmapped));
    server.say(path.to_str().unwrap());
    server.heard("listening");
    let _stream = UnixStream::connect(path).unwrap();
    server.say(&std::process::id().to_string());
    server.passed();
}
