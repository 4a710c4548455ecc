//! Every process that a trial has started, also through others. What loses its parent becomes the trial's child.

use std::fs::{DirEntry, read_dir, read_to_string};

use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};

/// One of them.
pub(crate) struct Descendant {
    pid: i32,
    parent: i32,
    /// Its words, with a space between two.
    pub(crate) command: String,
}

/// From now on orphans become children of this process. All of them are killed when this is dropped.
pub(crate) struct Descendants(());

impl Descendants {
    pub(crate) fn keep() -> Self {
        set_child_subreaper(Some(getpid())).unwrap();
        Self(())
    }

    /// Those that run, without `except` and what that one has started.
    pub(crate) fn running(except: Option<u32>) -> Vec<Descendant> {
        let mut all: Vec<Descendant> = read_dir("/proc").unwrap().filter_map(|entry| read(&entry.ok()?)).collect();
        let except = except.and_then(|pid| i32::try_from(pid).ok());
        let mut found = Vec::new();
        let mut parents = vec![getpid().as_raw_nonzero().get()];
        while let Some(parent) = parents.pop() {
            let (children, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|process| process.parent == parent);
            all = others;
            for child in children.into_iter().filter(|child| Some(child.pid) != except) {
                parents.push(child.pid);
                found.push(child);
            }
        }
        found
    }

    /// Kills those that run, but for `except` and what that one has started.
    pub(crate) fn kill(except: Option<u32>) {
        for process in Self::running(except) {
            if let Some(pid) = Pid::from_raw(process.pid) {
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

impl Drop for Descendants {
    fn drop(&mut self) {
        Self::kill(None);
    }
}

/// None of what has ended, also when nobody has waited for it.
fn read(entry: &DirEntry) -> Option<Descendant> {
    let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
    let stat = read_to_string(entry.path().join("stat")).ok()?;
    // The name is in brackets, and may have any character.
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    if state == "Z" {
        return None;
    }
    let command = read_to_string(entry.path().join("cmdline")).unwrap_or_default().replace('\0', " ");
    Some(Descendant { pid, parent, command })
}
