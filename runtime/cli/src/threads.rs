//! Threads are there before the first event is taken, or the program does not start: one that cannot be started later
//! is a delivery that fails for want of it.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{set_hook, take_hook};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use rustix::process::{Resource, getrlimit};
use tokio::runtime::{Builder, Runtime};

use crate::exit::{Exit, Failure};
use crate::limits::{BLOCKING_THREADS, BLOCKING_THREADS_STAY, IO_THREADS, STDIO_THREADS, THREAD_START};

/// How a shell calls the limit.
const LIMIT: &str = "`ulimit -u`";

/// Makes sure that all threads of `lastword stdio` and `lastword serve` can be started, and with `--report` the one that draws.
///
/// # Errors
/// When they cannot; the message names the limits and the number.
pub(crate) fn check_for_serving(draws: bool) -> Result<(), Failure> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    check(STDIO_THREADS + usize::from(draws) + IO_THREADS + BLOCKING_THREADS + workers)
}

/// Starts so many threads at once, and waits until they are gone.
fn check(wanted: usize) -> Result<(), Failure> {
    let before = counted();
    let (done, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    // Until `done` is dropped.
    let waits = || drop(wait.lock().map(|wait| wait.recv()));
    let refused = thread::scope(|scope| {
        let started = (0..wanted).map(|_| thread::Builder::new().spawn_scoped(scope, waits).map(drop));
        let refused = started.enumerate().find_map(|(number, thread)| thread.err().map(|error| (number, error)));
        drop(done);
        refused
    });
    if let Some((number, error)) = refused {
        return Err(too_few(wanted, &format!("{number} could be: {error}")));
    }
    // The system counts a thread for a moment longer than it can be joined, and those that are wanted next would not
    // start.
    let began = Instant::now();
    while counted() > before && began.elapsed() < THREAD_START {
        thread::yield_now();
    }
    Ok(())
}

/// Threads of this process, as the system counts them. Where it does not tell, none.
fn counted() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// The runtime that carries timers and what waits for the journal and the network.
///
/// # Errors
/// When its threads cannot be started.
pub(crate) fn io_runtime() -> Result<Runtime, Failure> {
    start(Builder::new_multi_thread().worker_threads(IO_THREADS).thread_name("lastword-io"))
}

/// The same on the caller's thread, for commands that make one call after the other.
///
/// # Errors
/// When its threads cannot be started.
pub(crate) fn local_runtime() -> Result<Runtime, Failure> {
    check(BLOCKING_THREADS)?;
    start(&mut Builder::new_current_thread())
}

fn start(builder: &mut Builder) -> Result<Runtime, Failure> {
    let runtime = or_leave(|| builder.enable_all().thread_keep_alive(BLOCKING_THREADS_STAY).build())
        .map_err(|error| Failure::usage(anyhow!(error).context("tokio's runtime cannot be started")))?;
    or_leave(|| start_blocking(&runtime))?;
    Ok(runtime)
}

/// Starts threads for file systems, which then stay. Without one, what is to be done there would
/// wait for ever when no thread can be started: tokio counts on those that are there, and counts its own workers.
fn start_blocking(runtime: &Runtime) -> Result<(), Failure> {
    let (started, count) = mpsc::channel();
    let (done, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    for _ in 0..BLOCKING_THREADS {
        let (started, wait) = (started.clone(), Arc::clone(&wait));
        runtime.spawn_blocking(move || {
            started.send(()).ok();
            wait.lock().ok().and_then(|wait| wait.recv().ok())
        });
    }
    for number in 0..BLOCKING_THREADS {
        if count.recv_timeout(THREAD_START).is_err() {
            return Err(too_few(BLOCKING_THREADS, &format!("{number} began to run")));
        }
    }
    drop(done);
    Ok(())
}

/// Does what panics when a thread cannot be started, and ends the process then: unwinding, tokio waits for threads of
/// its own that were started already, and nobody ends those. [`check`] makes that rare: somebody else has taken what
/// was free.
fn or_leave<T>(start: impl FnOnce() -> T) -> T {
    let usual = Arc::new(take_hook());
    let then = Arc::clone(&usual);
    set_hook(Box::new(move |panic| {
        tracing::error!("{:#}", too_few(IO_THREADS + BLOCKING_THREADS, "see below").error);
        then(panic);
        signal_hook::low_level::exit(i32::from(Exit::Usage.code()));
    }));
    let started = start();
    set_hook(Box::new(move |panic| usual(panic)));
    started
}

/// Says what to do about a failure that may be the lack of a thread or a process, and does not say so itself: what the
/// system answers is "Resource temporarily unavailable".
pub(crate) fn explain(failure: Failure) -> Failure {
    let lacks = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    if failure.error.to_string().contains(LIMIT) || !failure.error.chain().any(lacks) {
        return failure;
    }
    let advice = format!(
        "a thread or a process cannot be started: raise how many this user may have ({LIMIT}), or the \
                          container's pids limit"
    );
    Failure::usage(failure.error.context(advice))
}

/// What to do about a thread that cannot be started.
pub(crate) fn too_few(wanted: usize, why: &str) -> Failure {
    let limit = getrlimit(Resource::Nproc).current;
    let is = limit.map_or_else(String::new, |limit| format!(", now {limit}"));
    Failure::usage(anyhow!(
        "{wanted} threads have to be started, and cannot be ({why}): raise the number of processes that this user may have \
         ({LIMIT}{is}), the container's pids limit (TasksMax= of systemd), or, if it is that, `ulimit -v`"
    ))
}
