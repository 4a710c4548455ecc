//! A process that the program has started, as Linux shows it. Nobody can be told of what it does, so a test looks.

use std::fs::{read_dir, read_to_string};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, cpu};

pub(crate) struct Child(Pid);

impl Child {
    /// Waits until a child of the process has used this much CPU.
    pub(super) fn that_used_cpu(parent: &str, wanted: Duration) -> Self {
        let tasks = format!("/proc/{parent}/task");
        look_for("a child that uses CPU", || {
            // Each thread has children of its own.
            let tasks = read_dir(&tasks).ok()?.filter_map(Result::ok);
            let children: String = tasks.filter_map(|task| read_to_string(task.path().join("children")).ok()).collect();
            let mut children =
                children.split_whitespace().map(|pid| Self(Pid::from_raw(pid.parse().unwrap()).unwrap()));
            children.find(|child| child.cpu().is_some_and(|used| used >= wanted))
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.0
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).unwrap();
    }

    /// Waits until the process has ended.
    pub(crate) fn ended(&self) {
        // A zombie has ended, and is whoever's to bury.
        look_for("the end of a child", || self.stat().is_none_or(|stat| stat.first().unwrap() == "Z").then_some(()));
    }

    fn cpu(&self) -> Option<Duration> {
        Some(cpu::ticks(self.stat()?.get(cpu::OWN)?))
    }

    fn stat(&self) -> Option<Vec<String>> {
        cpu::stat(&self.0.to_string())
    }
}

fn look_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::yield_now();
    }
}
