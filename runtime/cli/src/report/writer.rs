//! Writes pictures on a thread of its own, so that a file system that hangs blocks neither a drain nor the exit.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use lastword_events::text::printable_path;

use super::html::html;
use super::picture::Picture;
use super::place::{Format, Place, Written};
use super::svg::svg;
use crate::limits::{MAX_KEPT_PICTURES, MAX_WAITING_PICTURES};

/// Sends pictures to the thread that writes them.
pub(super) struct Writer {
    pictures: SyncSender<Waiting>,
    /// The number of unwritten pictures.
    waiting: Arc<AtomicUsize>,
}

/// A picture to be drawn and written.
struct Waiting {
    draw: Draw,
    done: SyncSender<()>,
}

/// Makes a picture, on the writing thread.
pub(super) type Draw = Box<dyn FnOnce() -> Picture + Send>;

/// Tells that a picture is written, or cannot be.
pub(super) struct Writing(Receiver<()>);

/// The result of waiting for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The picture is written, or the log has the error.
    Done,
    /// The time was over first.
    TooLate,
    /// The writing thread has panicked.
    Failed,
}

/// The files of this run, oldest first, and the tenants of their drains.
type Kept = VecDeque<(Option<Arc<str>>, PathBuf)>;

impl Writing {
    /// Waits for the picture until then.
    pub(super) fn wait(&self, until: Instant) -> Waited {
        match self.0.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(()) => Waited::Done,
            Err(RecvTimeoutError::Timeout) => Waited::TooLate,
            // The thread that would report it is gone.
            Err(RecvTimeoutError::Disconnected) => Waited::Failed,
        }
    }
}

impl Writer {
    /// Starts the thread in advance, so that it need not be started when time is short.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn spawn(place: Place) -> io::Result<Self> {
        // One place more, so that the last picture always has room.
        let (pictures, taken) = sync_channel::<Waiting>(MAX_WAITING_PICTURES + 1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        thread::Builder::new().name("pictures".to_owned()).spawn(move || {
            let mut kept = Kept::new();
            for Waiting { draw, done } in taken {
                write(&place, &draw(), &mut kept);
                left.fetch_sub(1, Ordering::Relaxed);
                // Nobody may be waiting.
                done.try_send(()).ok();
            }
        })?;
        Ok(Self { pictures, waiting })
    }

    /// Draws and writes a picture, if not too many wait.
    pub(super) fn write(&self, draw: Draw) {
        if self.waiting.load(Ordering::Relaxed) >= MAX_WAITING_PICTURES {
            tracing::warn!("the picture of an owner's drain is left out: those before it are not written yet");
            return;
        }
        self.hand_over(draw);
    }

    /// Draws and writes the last picture of all.
    pub(super) fn write_last(&self, draw: Draw) -> Writing {
        self.hand_over(draw)
    }

    fn hand_over(&self, draw: Draw) -> Writing {
        let (done, wait) = sync_channel(1);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.pictures.try_send(Waiting { draw, done }).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        Writing(wait)
    }
}

fn write(place: &Place, picture: &Picture, kept: &mut Kept) {
    let content = match place.format() {
        // Programs that read files rather than pages need the declaration.
        Format::Svg => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", svg(picture)),
        Format::Html => html(picture),
    };
    match place.write(&content, picture.at) {
        Ok(Written { path, has_time }) => {
            tracing::info!("the picture of the drain is {}", printable_path(&path));
            if has_time {
                kept.push_back((picture.drained.tenant().cloned(), path));
            }
        }
        Err(error) => {
            let path = place.shown();
            tracing::warn!(%error, "the picture of the drain cannot be written to {}", printable_path(&path));
        }
    }
    if kept.len() > MAX_KEPT_PICTURES
        && let Some((_, oldest)) = oldest_of_most(kept).and_then(|at| kept.remove(at))
    {
        // Another program may have removed it.
        fs::remove_file(oldest).ok();
    }
}

/// Returns the oldest file of the tenant with most files, so that one tenant's owners push out no other's.
fn oldest_of_most(kept: &Kept) -> Option<usize> {
    let mut counts: HashMap<Option<&str>, usize> = HashMap::new();
    for (tenant, _) in kept {
        *counts.entry(tenant.as_deref()).or_default() += 1;
    }
    let most = counts.values().max()?;
    kept.iter().position(|(tenant, _)| counts.get(&tenant.as_deref()) == Some(most))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use lastword_events::Timestamp;

    use super::*;
    use crate::report::tests::one;

    const LONG: Duration = Duration::from_secs(60);

    fn writer(path: &Path) -> Writer {
        Writer::spawn(Place::of(path).unwrap()).unwrap()
    }

    /// Makes a picture that is drawn when the sender is dropped.
    fn held_up() -> (Sender<()>, Draw) {
        let (go_on, held_up) = channel();
        let draw = move || {
            held_up.recv().ok();
            one()
        };
        (go_on, Box::new(draw))
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn nobody_waits_longer_for_a_picture_than_there_is_time() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder.path().join("drain.svg"));
        let (go_on, draw) = held_up();
        let writing = writer.write_last(draw);
        assert_eq!(writing.wait(Instant::now()), Waited::TooLate);
        assert_eq!(files(folder.path()), 0);
        drop(go_on);
        assert_eq!(writing.wait(Instant::now() + LONG), Waited::Done);
        assert_eq!(files(folder.path()), 1);
    }

    #[test]
    fn a_thread_that_has_panicked_is_told_from_one_that_takes_long() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder.path().join("drain.svg"));
        for why in ["the first", "the thread is gone"] {
            let writing = writer.write_last(Box::new(move || -> Picture { panic!("{why}, which this test wants") }));
            assert_eq!(writing.wait(Instant::now() + LONG), Waited::Failed, "{why}");
        }
    }

    #[test]
    fn one_tenants_files_push_out_no_others() {
        let file = |tenant: Option<&str>, n: usize| (tenant.map(Arc::from), PathBuf::from(n.to_string()));
        let quiet = [file(Some("quiet"), 0), file(None, 1)];
        let mut kept: Kept = quiet.iter().cloned().chain((2..100).map(|n| file(Some("busy"), n))).collect();
        for n in 2..90 {
            let oldest = oldest_of_most(&kept).unwrap();
            assert_eq!(kept.remove(oldest), Some(file(Some("busy"), n)));
        }
        assert_eq!(kept.make_contiguous()[..2], quiet);
        assert_eq!(oldest_of_most(&Kept::new()), None);
    }

    #[test]
    fn only_so_many_pictures_wait_and_the_last_of_all_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let (go_on, draw) = held_up();
        writer.write(draw);
        for _ in 0..MAX_WAITING_PICTURES + 10 {
            writer.write(Box::new(one));
        }
        let last = writer.write_last(Box::new(one));
        drop(go_on);
        assert_eq!(last.wait(Instant::now() + LONG), Waited::Done);
        assert_eq!(files(folder.path()), MAX_WAITING_PICTURES + 1);
    }

    #[test]
    fn a_run_keeps_only_so_many_files_of_its_own_and_no_other_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("drain-1.svg"), "of another run").unwrap();
        let writer = writer(folder.path());
        let all = i64::try_from(MAX_KEPT_PICTURES).unwrap() + 3;
        for number in 0..all {
            let at = Timestamp::from_millisecond(number);
            let writing = writer.write_last(Box::new(move || Picture { at, ..one() }));
            assert_eq!(writing.wait(Instant::now() + LONG), Waited::Done);
        }
        assert_eq!(files(folder.path()), MAX_KEPT_PICTURES + 1);
        assert!(folder.path().join("drain-1.svg").exists());
        assert!(!folder.path().join("drain-19700101T000000.000Z.svg").exists(), "the oldest goes");
    }
}
