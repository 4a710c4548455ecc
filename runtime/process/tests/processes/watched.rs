//! Word of a process's end.

use std::fs;
use std::future::poll_fn;
use std::os::unix::process::CommandExt as _;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use lastword_process::{Gone, Process, WatchError, Watched};
use rustix::process::{Signal, kill_process};

use crate::support::{Running, again, is_the_other, pid, soon, told, works};

/// Whether somebody who waits for the process would wait still.
async fn is_watched(watched: &Watched) -> bool {
    let mut exited = pin!(watched.exited());
    poll_fn(|context| Poll::Ready(exited.as_mut().poll(context).is_pending())).await
}

#[track_caller]
fn assert_gone(watched: &Result<Watched, WatchError>, expected: Gone) {
    assert!(matches!(watched, Err(WatchError::Gone(gone)) if *gone == expected), "{watched:?}");
}

#[tokio::test]
async fn a_process_that_is_killed_is_told_before_its_parent_asks() {
    let mut running = Running::cat();
    let watched = Watched::begin(&running.process()).unwrap();
    assert_eq!(watched.process(), &running.process());
    assert!(is_watched(&watched).await);
    running.kill();
    soon(watched.exited()).await;
    // And everybody who asks later.
    soon(watched.exited()).await;
    assert!(!watched.process().is_alive().unwrap());
    running.reap();
    soon(watched.exited()).await;
}

#[tokio::test]
async fn a_process_that_ends_by_itself_is_told() {
    let mut running = Running::sh("read line");
    let watched = Watched::begin(&running.process()).unwrap();
    assert!(is_watched(&watched).await);
    running.say("");
    soon(watched.exited()).await;
}

/// It executes `cat` when it is told something, and is the same process still.
async fn becomes_another_program(mut running: Running) {
    let process = running.process();
    let watched = Watched::begin(&process).unwrap();
    running.say("");
    running.say("from the other program");
    running.heard("from the other program");
    assert_eq!(running.process(), process);
    assert!(is_watched(&watched).await);
    running.kill();
    soon(watched.exited()).await;
}

#[tokio::test]
async fn executing_another_program_is_no_end() {
    becomes_another_program(Running::sh("read line; exec cat")).await;
}

/// The thread takes over the process's number, and the one that had it is gone.
#[tokio::test]
async fn executing_another_program_from_any_thread_is_no_end() {
    if is_the_other() {
        // With one test thread the harness runs a test on the first one.
        std::thread::spawn(|| {
            println!("ready");
            told();
            panic!("cannot execute: {}", Command::new("cat").exec());
        });
        return std::future::pending().await;
    }
    let test = "watched::executing_another_program_from_any_thread_is_no_end";
    let mut running = Running::start(&mut again(test, &[]));
    running.heard("ready");
    becomes_another_program(running).await;
}

/// `/proc` calls such a process a zombie.
#[tokio::test]
async fn a_process_lives_as_long_as_its_last_thread() {
    const PROGRAM: &str = "
import ctypes, sys, threading
def last():
    while ') Z ' not in open('/proc/self/stat').read(): pass
    print('alone', flush=True)
    sys.stdin.readline()
threading.Thread(target=last).start()
ctypes.CDLL(None).pthread_exit(None)
";
    if !works(&["python3", "-c", "import ctypes", "-"]) {
        return;
    }
    let mut running = Running::start(Command::new("python3").args(["-c", PROGRAM]));
    running.heard("alone");
    let state = fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
    assert!(state.contains(") Z "), "{state}");
    let process = running.process();
    assert!(process.is_alive().unwrap());
    let watched = Watched::begin(&process).unwrap();
    assert!(is_watched(&watched).await);
    running.say("");
    soon(watched.exited()).await;
    assert!(!process.is_alive().unwrap());
}

#[tokio::test]
async fn an_orphan_is_told_though_its_parent_is_gone() {
    // A child of a child, as a daemon is. Both wait for an input that never comes.
    let mut parent = Running::sh("exec 3<&0; sh -c 'cat <&3 >/dev/null & echo orphan $!'; exec cat");
    let orphan: u32 = parent.heard("orphan ").parse().unwrap();
    let watched = Watched::begin(&Process::of(orphan).unwrap()).unwrap();
    let parent_watched = Watched::begin(&parent.process()).unwrap();
    parent.kill();
    soon(parent_watched.exited()).await;
    assert!(is_watched(&watched).await);
    kill_process(pid(orphan), Signal::KILL).unwrap();
    soon(watched.exited()).await;
}

#[tokio::test]
async fn who_is_dead_is_not_watched_but_told_at_once() {
    let running = Running::cat();
    let process = running.process();
    let zombie = running.into_zombie();
    assert_gone(&Watched::begin(&process), Gone::Zombie);
    zombie.reap();
    assert_gone(&Watched::begin(&process), Gone::NoProcess);

    let own = Process::current().unwrap();
    assert_gone(&Watched::begin(&Process { start_time: own.start_time + 1, ..own.clone() }), Gone::Reused);
    assert_gone(&Watched::begin(&Process { boot_id: "another".into(), ..own.clone() }), Gone::OtherBoot);
    let never = Watched::begin(&Process { pid: 0, ..own });
    assert!(matches!(never, Err(WatchError::Process(_))), "{never:?}");
}

#[tokio::test]
async fn everybody_who_waits_is_told_and_who_stops_waiting_loses_nothing() {
    let mut running = Running::cat();
    let watched = Arc::new(Watched::begin(&running.process()).unwrap());
    let waiters: Vec<_> = (0..8)
        .map(|_| {
            let watched = Arc::clone(&watched);
            tokio::spawn(async move { watched.exited().await })
        })
        .collect();
    // They wait by the time that this one has stopped to.
    assert!(is_watched(&watched).await);
    tokio::task::yield_now().await;
    waiters[3].abort();
    running.kill();
    for (number, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(soon(waiter).await.is_ok(), number != 3);
    }
    soon(watched.exited()).await;
}

#[tokio::test]
async fn one_process_is_watched_many_times() {
    let mut running = Running::cat();
    let watched = [(); 3].map(|()| Watched::begin(&running.process()).unwrap());
    let [first, second, third] = watched;
    drop(first);
    assert!(is_watched(&second).await && is_watched(&third).await);
    running.kill();
    soon(second.exited()).await;
    soon(third.exited()).await;
}

/// A watch that polls would be asked again and again.
#[tokio::test]
async fn who_waits_is_woken_once() {
    let mut running = Running::cat();
    let watched = Watched::begin(&running.process()).unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let waiter = tokio::spawn({
        let asked = Arc::clone(&asked);
        async move {
            let mut exited = pin!(watched.exited());
            poll_fn(|context| {
                asked.fetch_add(1, Ordering::Relaxed);
                exited.as_mut().poll(context)
            })
            .await;
        }
    });
    // Another process's end is nothing to it.
    let mut neighbour = Running::cat();
    let other = Watched::begin(&neighbour.process()).unwrap();
    neighbour.kill();
    soon(other.exited()).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    running.kill();
    soon(waiter).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn without_a_runtime_nothing_is_watched() {
    let watched = Watched::begin(&Process::current().unwrap());
    assert!(matches!(watched, Err(WatchError::NoRuntime)), "{watched:?}");
}
