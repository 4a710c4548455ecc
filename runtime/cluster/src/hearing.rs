//! Whether a member hears anything at all, and since when without a gap.

use std::time::Duration;

/// Who hears nothing knows nothing of others' silence. So silence is counted from the beginning of the last period in which something was
/// always heard: a heartbeat of another, or the own one that came back.
#[derive(Debug)]
pub(crate) struct Hearing {
    last: Duration,
    since: Option<Duration>,
}

impl Hearing {
    pub(crate) fn new(now: Duration) -> Self {
        Self { last: now, since: None }
    }

    pub(crate) fn heard(&mut self, at: Duration, deaf: Duration) {
        if at.saturating_sub(self.last) > deaf {
            self.since = None;
        }
        self.last = self.last.max(at);
        self.since.get_or_insert(at);
    }

    /// Whoever was stopped for a while finds old news in its buffers.
    pub(crate) fn was_stopped(&mut self) {
        self.since = None;
    }

    /// Since when something is heard without a gap; `None` when nothing is.
    pub(crate) fn since(&self, now: Duration, deaf: Duration) -> Option<Duration> {
        self.since.filter(|_| now.saturating_sub(self.last) <= deaf)
    }

    /// For how long nothing was heard.
    pub(crate) fn nothing_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAF: Duration = Duration::from_secs(3);

    #[test]
    fn a_gap_or_a_stop_begins_the_period_anew() {
        let at = Duration::from_secs;
        let mut hearing = Hearing::new(at(0));
        assert_eq!(hearing.since(at(1), DEAF), None, "nothing was heard yet");
        hearing.heard(at(1), DEAF);
        hearing.heard(at(4), DEAF);
        assert_eq!(hearing.since(at(7), DEAF), Some(at(1)));
        assert_eq!(hearing.since(at(8), DEAF), None);
        hearing.heard(at(8), DEAF);
        assert_eq!(hearing.since(at(8), DEAF), Some(at(8)));
        hearing.was_stopped();
        assert_eq!(hearing.since(at(8), DEAF), None);
        hearing.heard(at(9), DEAF);
        assert_eq!(hearing.since(at(9), DEAF), Some(at(9)));
        assert_eq!(hearing.nothing_for(at(12)), at(3));
    }
}
