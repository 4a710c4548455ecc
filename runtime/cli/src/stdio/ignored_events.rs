//! Counts the owner's ignored events.

use std::collections::BTreeMap;

use lastword_events::printable;

use crate::limits::MAX_NAMED_EVENTS;
use lastword_events::limits::MAX_QUOTED_CHARS;
use lastword_events::text::clip_chars;
use lastword_protocol::owners::{Foreign, InputFormat};

/// Counts events that are not about the life of a session, and logs each name once. Also counts events in another
/// owner's format.
#[derive(Default)]
pub(super) struct IgnoredEvents {
    counts: BTreeMap<String, u64>,
    unnamed: u64,
    /// The formats that the log has named, and the number of events in each.
    foreign: Vec<(InputFormat, u64)>,
}

impl IgnoredEvents {
    pub(super) fn count(&mut self, name: &str) {
        let name = clip_chars(name, MAX_QUOTED_CHARS);
        if let Some(count) = self.counts.get_mut(&*name) {
            *count += 1;
        } else if self.counts.len() < MAX_NAMED_EVENTS {
            tracing::info!("{name:?} is not about the life of a session: such events are counted and ignored");
            self.counts.insert(name.into_owned(), 1);
        } else {
            self.unnamed += 1;
        }
    }

    /// Counts an event in an unexpected format. Logs the first one of each format.
    pub(super) fn foreign(&mut self, foreign: &Foreign) {
        if let Some((_, count)) = self.foreign.iter_mut().find(|(from, _)| *from == foreign.from) {
            *count += 1;
            return;
        }
        self.foreign.push((foreign.from, 1));
        match foreign.error {
            Some(_) => tracing::warn!("{foreign}. Such lines are answered with an error"),
            None => tracing::warn!("{foreign}. Such events are counted and ignored"),
        }
    }

    /// Returns the number of events of each other format, e.g. `Cursor 3`. `None`: there were none.
    pub(super) fn foreign_summary(&self) -> Option<String> {
        let parts: Vec<String> = self.foreign.iter().map(|(from, count)| format!("{} {count}", from.name())).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Returns the number of events of each name, e.g. `before_reset 3, gateway_stop 1`. `None`: there were none.
    pub(super) fn summary(&self) -> Option<String> {
        let mut parts: Vec<String> =
            self.counts.iter().map(|(name, count)| format!("{} {count}", printable(name))).collect();
        if self.unnamed > 0 {
            parts.push(format!("others {}", self.unnamed));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_are_not_ours_are_counted_by_name_up_to_a_limit() {
        let mut ignored = IgnoredEvents::default();
        assert_eq!(ignored.summary(), None);
        for name in ["before_reset", "gateway_stop", "before_reset"] {
            ignored.count(name);
        }
        assert_eq!(ignored.summary().unwrap(), "before_reset 2, gateway_stop 1");
        for i in 0..100 {
            ignored.count(&format!("made-up-{i}"));
        }
        assert_eq!(ignored.counts.len(), MAX_NAMED_EVENTS);
        assert!(ignored.summary().unwrap().ends_with(", others 38"), "{:?}", ignored.summary());
    }

    #[test]
    fn events_in_others_words_are_counted_by_owner() {
        let mut ignored = IgnoredEvents::default();
        assert_eq!(ignored.foreign_summary(), None);
        for (from, event) in [(InputFormat::Cursor, "a"), (InputFormat::Goose, "b"), (InputFormat::Cursor, "c")] {
            ignored.foreign(&Foreign { from, event: Some(event.to_owned()), error: None });
        }
        assert_eq!(ignored.foreign_summary().unwrap(), "Cursor 2, goose 1");
        assert_eq!(ignored.summary(), None);
    }
}
