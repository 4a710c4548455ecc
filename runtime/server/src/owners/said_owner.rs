//! The owner that a request names.

use std::sync::Arc;
use std::time::Duration;

use lastword_process::Process;

/// The owner that a request names.
#[derive(Clone, Debug, Default)]
pub(crate) struct SaidOwner {
    pub(crate) name: Option<String>,
    /// Empty if the request does not name it.
    pub(crate) kind: Arc<str>,
    pub(crate) process: Option<Process>,
    pub(crate) lease: Option<Duration>,
}

impl SaidOwner {
    /// Whether the request names an owner.
    pub(crate) fn is_someone(&self) -> bool {
        self.name.is_some() || self.process.is_some()
    }

    /// Whether the request says how the owner's death is noticed.
    pub(crate) fn says_how_it_lives(&self) -> bool {
        self.process.is_some() || self.lease.is_some()
    }

    /// Returns the owner's name. A process without a name gets one that is made of its identity.
    pub(crate) fn name(&self) -> String {
        match (&self.name, &self.process) {
            (Some(name), _) => name.clone(),
            (None, Some(process)) if self.kind.is_empty() => format!("{}-{}", process.pid, process.start_time),
            (None, Some(process)) => format!("{}-{}-{}", self.kind, process.pid, process.start_time),
            (None, None) => String::new(),
        }
    }
}
