//! Whether the daemon is needed.

/// The daemon's work at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// Active sessions.
    pub sessions: u64,
    /// Open connections.
    pub connections: u64,
    /// Deliveries that are running or waiting. Dead deliveries are not counted.
    pub owed: u64,
    /// Events that the server has taken since its start.
    pub taken: u64,
}

impl Activity {
    /// Whether there is no work now, and there was none since `before`.
    #[must_use]
    pub fn is_quiet_since(&self, before: &Self) -> bool {
        self.sessions == 0 && self.connections == 0 && self.owed == 0 && self.taken == before.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_quiet_when_nothing_is_there_and_nothing_came_meanwhile() {
        let none = Activity { taken: 7, ..Activity::default() };
        assert!(none.is_quiet_since(&none));
        let before = Activity { sessions: 3, ..none };
        assert!(none.is_quiet_since(&before), "what there was is over");
        for busy in [
            Activity { sessions: 1, ..none },
            Activity { connections: 1, ..none },
            Activity { owed: 1, ..none },
            Activity { taken: 8, ..none },
        ] {
            assert!(!busy.is_quiet_since(&none), "{busy:?}");
        }
    }
}
