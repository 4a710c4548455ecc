//! Writes pictures on a thread of its own: a file system that hangs holds up neither a drain nor the exit.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use lastword_events::text::printable_path;

use super::html::html;
use super::picture::Picture;
use super::place::{Format, Place, Written};
use super::svg::svg;
use crate::limits::{MAX_KEPT_PICTURES, MAX_WAITING_PICTURES};

/// Hands pictures over to the thread that writes them.
pub(super) struct Writer {
    pictures: SyncSender<Waiting>,
    /// Those that are not written yet.
    waiting: Arc<AtomicUsize>,
}

/// A picture that is to be drawn and written.
struct Waiting {
    draw: Draw,
    done: SyncSender<()>,
}

/// Makes a picture, on the thread that writes it.
pub(super) type Draw = Box<dyn FnOnce() -> Picture + Send>;

/// What tells that a picture is written, or cannot be.
pub(super) struct Writing(Receiver<()>);

impl Writing {
    /// Waits for it until then; false when it is not done.
    pub(super) fn wait(&self, until: Instant) -> bool {
        self.0.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
    }
}

impl Writer {
    /// Starts the thread, so that nothing has to be started when there is no time for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn spawn(place: Place) -> io::Result<Self> {
        // One more is the last of all, which always has room.
        let (pictures, taken) = sync_channel::<Waiting>(MAX_WAITING_PICTURES + 1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        thread::Builder::new().name("pictures".to_owned()).spawn(move || {
            let mut kept = VecDeque::new();
            for Waiting { draw, done } in taken {
                write(&place, &draw(), &mut kept);
                left.fetch_sub(1, Ordering::Relaxed);
                // Nobody may wait.
                done.try_send(()).ok();
            }
        })?;
        Ok(Self { pictures, waiting })
    }

    /// Has a picture drawn and written, if no more than so many wait for that.
    pub(super) fn write(&self, draw: Draw) {
        if self.waiting.load(Ordering::Relaxed) >= MAX_WAITING_PICTURES {
            tracing::warn!("the picture of an owner's drain is left out: those before it are not written yet");
            return;
        }
        self.hand_over(draw);
    }

    /// Has the last picture of all drawn and written.
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

fn write(place: &Place, picture: &Picture, kept: &mut VecDeque<PathBuf>) {
    let content = match place.format() {
        // What reads files rather than pages wants to be told what this is.
        Format::Svg => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", svg(picture)),
        Format::Html => html(picture),
    };
    match place.write(&content, picture.at) {
        Ok(Written { path, has_time }) => {
            tracing::info!("the picture of the drain is {}", printable_path(&path));
            if has_time {
                kept.push_back(path);
            }
        }
        Err(error) => {
            let path = place.shown();
            tracing::warn!(%error, "the picture of the drain cannot be written to {}", printable_path(&path));
        }
    }
    if kept.len() > MAX_KEPT_PICTURES
        && let Some(oldest) = kept.pop_front()
    {
        // Somebody may have removed it.
        fs::remove_file(oldest).ok();
    }
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

    /// A picture that is drawn when it may be.
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
        assert!(!writing.wait(Instant::now()), "the time is over");
        assert_eq!(files(folder.path()), 0);
        drop(go_on);
        assert!(writing.wait(Instant::now() + LONG));
        assert_eq!(files(folder.path()), 1);
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
        assert!(last.wait(Instant::now() + LONG));
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
            assert!(writing.wait(Instant::now() + LONG));
        }
        assert_eq!(files(folder.path()), MAX_KEPT_PICTURES + 1);
        assert!(folder.path().join("drain-1.svg").exists());
        assert!(!folder.path().join("drain-19700101T000000.000Z.svg").exists(), "the oldest goes");
    }
}
