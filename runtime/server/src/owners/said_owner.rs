//! What a request says of its owner.

use std::sync::Arc;
use std::time::Duration;

use lastword_process::Process;

/// What a request says of its owner.
#[derive(Clone, Debug, Default)]
pub(crate) struct SaidOwner {
    pub(crate) name: Option<String>,
    /// Empty when it is not said.
    pub(crate) kind: Arc<str>,
    pub(crate) process: Option<Process>,
    pub(crate) lease: Option<Duration>,
}

impl SaidOwner {
    /// Whether it says who the owner is.
    pub(crate) fn is_someone(&self) -> bool {
        self.name.is_some() || self.process.is_some()
    }

    /// Whether it says how the owner's death is noticed.
    pub(crate) fn says_how_it_lives(&self) -> bool {
        self.process.is_some() || self.lease.is_some()
    }

    /// Its name; that of a process which has none is made of what tells it from others.
    pub(crate) fn name(&self) -> String {
        match (&self.name, &self.process) {
            (Some(name), _) => name.clone(),
            (None, Some(process)) if self.kind.is_empty() => format!("{}-{}", process.pid, process.start_time),
            (None, Some(process)) => format!("{}-{}-{}", self.kind, process.pid, process.start_time),
            (None, None) => String::new(),
        }
    }
}
