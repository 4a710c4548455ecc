//! Starts all threads before the first event is taken, or the program does not start: a thread that cannot be started
//! later would be a failed delivery.

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
use crate::traces;

/// The shell's name of the limit.
const LIMIT: &str = "`ulimit -u`";

/// Checks that all threads of `lastword stdio` and `lastword serve` can be started, including the drawing one of
/// `--report` and the one of traces.
///
/// # Errors
/// When they cannot. The message names the limits and the number.
pub(crate) fn check_for_serving(draws: bool) -> Result<(), Failure> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let asked_for = usize::from(draws) + traces::threads();
    check(STDIO_THREADS + asked_for + IO_THREADS + BLOCKING_THREADS + workers)
}

/// Starts so many threads at once, and waits until they have ended.
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
    // The system counts a thread for a moment longer than it can be joined, so the next threads might not start.
    let began = Instant::now();
    while counted() > before && began.elapsed() < THREAD_START {
        thread::yield_now();
    }
    Ok(())
}

/// Returns the number of threads of this process, as the system counts them. 0 if it does not tell.
fn counted() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Makes the tokio runtime for timers and for the tasks that wait for the journal and the network.
///
/// # Errors
/// When its threads cannot be started.
pub(crate) fn io_runtime() -> Result<Runtime, Failure> {
    start(Builder::new_multi_thread().worker_threads(IO_THREADS).thread_name("lastword-io"))
}

/// Makes such a runtime on the caller's thread, for commands that make one call after the other.
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

/// Starts file system threads, which then stay. If none could be started later, a file operation would wait for ever:
/// tokio relies on existing threads, and counts its own workers among them.
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

/// Runs code that panics when a thread cannot be started, and then ends the process: while unwinding, tokio waits for
/// its threads that have started already, which nothing ends. [`check`] makes this rare: another process has taken the
/// free threads since.
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

/// Adds a remedy to a failure that may be the lack of a thread or a process. The system's message is only "Resource
/// temporarily unavailable".
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

/// Returns the failure, with a remedy, of a thread that cannot be started.
pub(crate) fn too_few(wanted: usize, why: &str) -> Failure {
    let limit = getrlimit(Resource::Nproc).current;
    let is = limit.map_or_else(String::new, |limit| format!(", now {limit}"));
    Failure::usage(anyhow!(
        "{wanted} threads have to be started, and cannot be ({why}): raise the number of processes that this user may have \
         ({LIMIT}{is}), the container's pids limit (TasksMax= of systemd), or, if it is that, `ulimit -v`"
    ))
}
