//! The processes of owners.

use std::collections::{HashMap, HashSet};

use lastword_process::Process;
use tokio::task::AbortHandle;

use super::owner::OwnerId;

/// The processes of owners. A process is watched once, however many owners live by it, and as long as one does.
#[derive(Debug, Default)]
pub(super) struct Processes(HashMap<Process, OfProcess>);

#[derive(Debug, Default)]
struct OfProcess {
    owners: HashSet<OwnerId>,
    watch: Option<Watch>,
}

/// The task that waits for a process to exit.
#[derive(Debug)]
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Processes {
    /// Adds an owner that lives by this process.
    pub(super) fn lives_by(&mut self, process: &Process, owner: OwnerId) {
        match self.0.get_mut(process) {
            Some(of) => of.owners.insert(owner),
            None => self.0.entry(process.clone()).or_default().owners.insert(owner),
        };
    }

    /// Removes an owner that does not live by this process any more.
    pub(super) fn leaves(&mut self, process: &Process, owner: OwnerId) {
        let Some(of) = self.0.get_mut(process) else { return };
        of.owners.remove(&owner);
        if of.owners.is_empty() {
            self.0.remove(process);
        }
    }

    /// Watches an owner's process, unless it is watched already.
    pub(super) fn watch(&mut self, process: &Process, begin: impl FnOnce() -> AbortHandle) {
        if let Some(of) = self.0.get_mut(process).filter(|of| of.watch.is_none()) {
            of.watch = Some(Watch(begin()));
        }
    }

    /// Removes a process that has exited. Returns the owners that lived by it.
    pub(super) fn exited(&mut self, process: &Process) -> HashSet<OwnerId> {
        self.0.remove(process).map(|of| of.owners).unwrap_or_default()
    }

    /// Stops watching all processes.
    pub(super) fn stop_watching(&mut self) {
        for of in self.0.values_mut() {
            of.watch = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> Process {
        Process { pid, start_time: 7, boot_id: "boot".into() }
    }

    #[tokio::test]
    async fn a_process_is_watched_once_and_for_as_long_as_an_owner_lives_by_it() {
        let mut processes = Processes::default();
        let forever = || tokio::spawn(std::future::pending::<()>());
        let (first, second) = (forever(), forever());
        for owner in [OwnerId(1), OwnerId(2)] {
            processes.lives_by(&process(1), owner);
            processes.watch(&process(1), || [&first, &second][usize::from(owner == OwnerId(2))].abort_handle());
        }
        processes.leaves(&process(1), OwnerId(1));
        tokio::task::yield_now().await;
        assert!(!first.is_finished());
        processes.leaves(&process(1), OwnerId(2));
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(!second.is_finished(), "nobody began a second watch");
        // No owner lives by it, so there is nothing to watch.
        processes.watch(&process(1), || second.abort_handle());
        assert_eq!(processes.exited(&process(1)).len(), 0);
    }
}
