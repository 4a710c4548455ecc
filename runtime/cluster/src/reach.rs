//! Whether JetStream answers a member, and since when without a gap.

use std::time::Duration;

/// Who cannot reach JetStream knows nothing of others who may, and who has reached it for a moment only may not have heard the others yet. An
/// answer about any stream says as much of the connection, so one stream without a leader hides nothing.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    since: Option<Duration>,
    last: Duration,
}

impl Reach {
    /// A look was answered. Two answers that are further apart than `steady` are not about one period: whoever stood still in between, or was
    /// not connected, may have missed a heartbeat as well.
    pub(crate) fn answered(&mut self, at: Duration, steady: Duration) {
        if at.saturating_sub(self.last) > steady {
            self.since = None;
        }
        self.last = at;
        self.since.get_or_insert(at);
    }

    /// Over which time it was always answered, up to the last answer; zero when that is too long ago.
    pub(crate) fn lasts(&self, now: Duration, steady: Duration) -> Duration {
        match self.since {
            Some(since) if now.saturating_sub(self.last) <= steady => self.last.saturating_sub(since),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_begins_the_period_anew() {
        let at = Duration::from_secs;
        let steady = at(2);
        let mut reach = Reach::default();
        assert_eq!(reach.lasts(at(10), steady), at(0));
        for second in 10..=13 {
            reach.answered(at(second), steady);
        }
        assert_eq!(reach.lasts(at(15), steady), at(3));
        assert_eq!(reach.lasts(at(16), steady), at(0));
        reach.answered(at(16), steady);
        assert_eq!(reach.lasts(at(16), steady), at(0));
        reach.answered(at(17), steady);
        assert_eq!(reach.lasts(at(17), steady), at(1));
    }
}
