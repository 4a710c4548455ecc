//! A terminal with an agent in it, and somebody who types.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use pty_process::Size;
use pty_process::blocking::{Command as InTerminal, Pty, open};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

use crate::board::Board;
use crate::limits::{ECHO, EFFECT, PATIENCE, STILL, STILL_AT_MOST};
use crate::patience::look;
use crate::screen::{shown, shows};

const ENTER: &str = "\r";
/// Empties the line.
const CTRL_U: &str = "\x15";
pub(crate) const CTRL_C: &str = "\x03";

/// What agents ask a terminal, and what one of the plainest answers: where the cursor is, what it is, and which keys it
/// reports.
const ANSWERS: [(&[u8], &[u8]); 3] =
    [(b"\x1b[6n", b"\x1b[1;1R"), (b"\x1b[c", b"\x1b[?62;c"), (b"\x1b[?u", b"\x1b[?0u")];

/// How much of the screen a failed trial shows, in characters from its end.
const SHOWN: usize = 2_000;

pub(crate) struct Terminal {
    drawn: Arc<Board<Vec<u8>>>,
    ours: Option<Ours>,
}

/// Our side of it: with it the terminal is gone.
struct Ours {
    pty: Arc<Pty>,
    /// Closed for the reader to stop.
    goes_on: UnixStream,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts the agent in a new one.
    pub(crate) fn spawn(command: Command) -> (Child, Self) {
        let (pty, theirs) = open().unwrap();
        pty.resize(Size::new(40, 120)).unwrap();
        let child = InTerminal::from(command).spawn(theirs).unwrap();
        let (pty, drawn): (_, Arc<Board<Vec<u8>>>) = (Arc::new(pty), Arc::default());
        let (goes_on, stopped) = UnixStream::pair().unwrap();
        let reader = thread::spawn({
            let (pty, drawn) = (pty.clone(), drawn.clone());
            move || read(&pty, &stopped, &drawn)
        });
        (child, Self { drawn, ours: Some(Ours { pty, goes_on, reader }) })
    }

    /// Waits until the agent can be typed to.
    pub(crate) fn ready(&self, text: &str) {
        let ready = self.drawn.wait(PATIENCE, |drawn| shows(drawn, text).then_some(()));
        assert!(ready.is_some(), "{text:?} was not on the screen");
        self.still();
    }

    /// Types a line, until it has had its effect.
    pub(crate) fn enter(&self, line: &str, mut effect: impl FnMut() -> bool) {
        self.type_line(line);
        for _ in 0..4 {
            self.press(ENTER);
            if look(EFFECT, || effect().then_some(())).is_some() {
                return;
            }
        }
        panic!("{line:?} had no effect");
    }

    /// Types a line of which nobody but the screen tells the effect.
    pub(crate) fn enter_and_see(&self, line: &str) {
        self.type_line(line);
        self.press(ENTER);
        self.still();
    }

    pub(crate) fn press(&self, keys: &str) {
        // An agent that has left reads nothing.
        (&*self.ours.as_ref().unwrap().pty).write_all(keys.as_bytes()).ok();
    }

    /// Waits until what was drawn last stays, as a person does between two keys.
    pub(crate) fn still(&self) {
        let until = Instant::now() + STILL_AT_MOST;
        let mut seen = self.drawn.read(Vec::len);
        while Instant::now() < until {
            match self.drawn.wait(STILL, |drawn| (drawn.len() != seen).then_some(drawn.len())) {
                Some(more) => seen = more,
                None => return,
            }
        }
    }

    /// Closes the window, as far as the agent can tell.
    pub(crate) fn close(&mut self) {
        if let Some(Ours { pty, goes_on, reader }) = self.ours.take() {
            drop(goes_on);
            reader.join().ok();
            // The last of our descriptors: the kernel sends SIGHUP.
            drop(pty);
        }
    }

    /// Types a line, and waits until it is on the screen. An agent that is busy with its first screen may miss keys.
    fn type_line(&self, line: &str) {
        for _ in 0..4 {
            let before = self.drawn.read(Vec::len);
            self.press(line);
            if self.drawn.wait(ECHO, |drawn| shows(&drawn[before..], line).then_some(())).is_some() {
                self.still();
                return;
            }
            self.press(CTRL_U);
            self.still();
        }
        panic!("{line:?} was typed, and did not appear on the screen");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if thread::panicking() {
            let screen = self.drawn.read(|drawn| shown(drawn));
            let from = screen.chars().count().saturating_sub(SHOWN);
            eprintln!("--- the screen\n{}", screen.chars().skip(from).collect::<String>());
        }
        self.close();
    }
}

/// Reads what is drawn until the terminal has no other side any more, or this one is to be closed.
fn read(pty: &Pty, stopped: &UnixStream, drawn: &Board<Vec<u8>>) {
    let mut ours = pty;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mut events = [PollFd::new(pty, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        if retry_on_intr(|| poll(&mut events, None)).is_err() || !events[1].revents().is_empty() {
            return;
        }
        let Ok(read @ 1..) = ours.read(&mut buffer) else { return };
        let news = &buffer[..read];
        for (asked, answer) in ANSWERS {
            if news.windows(asked.len()).any(|bytes| bytes == asked) {
                ours.write_all(answer).ok();
            }
        }
        drawn.change(|drawn| drawn.extend_from_slice(news));
    }
}
