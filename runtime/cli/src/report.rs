//! `--report`: a picture of each drain, for people.
//!
//! [`gatherer`] observes the runtime and counts the outcomes of calls in the bounded [`bins`] of each row's [`tally`].
//! After a drain's report, [`picture`] chooses the content, [`svg`] and [`html`] draw it, and [`writer`] writes it to
//! its [`place`]. A drain waits for none of this: a picture that is not ready in time is omitted.

mod bins;
mod gatherer;
mod html;
mod picture;
mod place;
mod svg;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod writer;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{DrainReport, Identity, Timestamp};
use lastword_server::{OwnerDrain, OwnerDrainStart, OwnerDrained, OwnerDrains};
use parking_lot::Mutex;

use crate::exit::Failure;
use crate::limits::{MAX_PICTURED_SESSIONS, PICTURE_WAIT};
use gatherer::Gatherer;
use picture::Picture;
use place::Place;
use tally::Tallies;
use writer::{Waited, Writer, Writing};

/// Draws the drains of one run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reports {
    gatherer: Gatherer,
    writer: Arc<Writer>,
    /// The beginning of the drain of every session.
    drain: Arc<Mutex<Option<(Instant, Timestamp)>>>,
}

impl Reports {
    /// Begins to write pictures to this path. `None` when they cannot be drawn. A place that cannot be written is
    /// reported now and still used: it may be repaired by the time of the drain.
    ///
    /// # Errors
    /// When the file's name has no extension of a known format.
    pub(crate) fn begin(path: &Path) -> Result<Option<Self>, Failure> {
        let place = Place::of(path).map_err(Failure::usage)?;
        if let Err(error) = place.check() {
            tracing::error!("--report: {error}; without that there is no picture of a drain, and all else goes on");
        }
        match Writer::spawn(place) {
            Ok(writer) => {
                let (gatherer, drain) = (Gatherer::default(), Arc::default());
                Ok(Some(Self { gatherer, writer: Arc::new(writer), drain }))
            }
            Err(error) => {
                tracing::error!(%error, "--report: no thread can be started for it; all else goes on without");
                Ok(None)
            }
        }
    }

    /// Returns the observer for the runtime.
    pub(crate) fn observer(&self) -> Gatherer {
        self.gatherer.clone()
    }

    /// Call it before the runtime drains every session.
    pub(crate) fn drain_begins(&self, began: Instant, budget: Duration) {
        *self.drain.lock() = Some((began, Timestamp::now()));
        self.gatherer.drain_begins(began, budget);
    }

    /// Draws the drain of every session. `end` names the step that ends now. Call it after the drain's report was
    /// written.
    pub(crate) fn drained(&self, report: DrainReport, end: &'static str) -> Option<Drawing> {
        let (began, at) = self.drain.lock().take()?;
        let tallies = self.gatherer.drain_is_over()?;
        let end = (end, began.elapsed().max(report.elapsed));
        let writing = self.writer.write_last(Box::new(move || Picture::of_drain(&report, tallies, at, end)));
        Some(Drawing { writing, since: Instant::now() })
    }
}

/// The picture of the program's last drain.
pub(crate) struct Drawing {
    writing: Writing,
    since: Instant,
}

impl Drawing {
    /// Waits for the picture until `ends`.
    pub(crate) fn wait(self, ends: Instant) {
        match self.writing.wait(ends.min(self.since + PICTURE_WAIT)) {
            Waited::Done => {}
            Waited::TooLate => {
                tracing::warn!("there is no picture of the drain: it has left no time to write one");
            }
            Waited::Failed => {
                tracing::error!(
                    "there is no picture of the drain: what draws it has panicked, which is a defect of lastword"
                );
            }
        }
    }
}

/// Draws the outcomes of owners' goodbyes.
impl OwnerDrains for Reports {
    fn begins(&self, drain: &OwnerDrainStart<'_>) -> Option<OwnerDrained> {
        if drain.sessions.is_empty() || drain.sessions.len() > MAX_PICTURED_SESSIONS {
            return None;
        }
        let tenant: Option<Arc<str>> = drain.tenant.map(Arc::from);
        let sessions: HashSet<Identity> = drain.sessions.iter().cloned().collect();
        let id = self.gatherer.goodbye_begins(tenant.clone(), sessions, drain.began, drain.budget)?;
        let name = drain.name.unwrap_or("a connection").to_owned();
        let at = Timestamp::now();
        let going = Going { gatherer: self.gatherer.clone(), id };
        let writer = Arc::clone(&self.writer);
        Some(Box::new(move |drained: &OwnerDrain| {
            let Some(tallies) = going.is_over() else { return };
            let drained = drained.clone();
            writer.write(Box::new(move || Picture::of_goodbye((tenant, name), &drained, tallies, at)));
        }))
    }
}

/// An owner's goodbye. Dropping it ends the counting, because nobody waits for the outcome any more.
struct Going {
    gatherer: Gatherer,
    id: u64,
}

impl Going {
    fn is_over(&self) -> Option<Tallies> {
        self.gatherer.goodbye_is_over(self.id)
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        drop(self.is_over());
    }
}
