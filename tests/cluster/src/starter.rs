//! Starts processes that are killed when this one dies, however it dies.
//!
//! The system kills such a process when the *thread* that started it has ended. So all are started by a thread that lives as long as
//! they may, whoever asks for one.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::hosts::Host;

type Asked = (Command, Option<Host>, Sender<io::Result<Child>>);

pub(crate) struct Starter(Sender<Asked>);

impl Starter {
    pub(crate) fn new() -> Self {
        let (asked, to_start) = channel::<Asked>();
        thread::spawn(move || {
            for (mut command, host, answer) in to_start {
                let started = match host {
                    Some(host) => host.inside(|| command.spawn()),
                    None => command.spawn(),
                };
                answer.send(started).ok();
            }
        });
        Self(asked)
    }

    /// `command` has to be one of `with-its-parent`. It is started on that host, if there is one.
    pub(crate) fn start(&self, command: Command, host: Option<Host>) -> io::Result<Child> {
        let (answer, answered) = channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.0.send((command, host, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}
