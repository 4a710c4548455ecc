//! A terminal for a program to run in.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

use pty_process::blocking::{Command as InTerminal, Pty, open};

/// A terminal, in whose foreground one program and its children are.
pub(crate) struct Terminal {
    ours: Pty,
    /// The program's side is kept open: with the last of its descriptors the terminal would be nobody's any more.
    _theirs: OwnedFd,
}

impl Terminal {
    /// Starts a program in a new one. Its stdin is the terminal, unless there is another.
    pub(super) fn spawn(command: Command, stdin: Option<Stdio>) -> (Child, Self) {
        let (ours, pts) = open().unwrap();
        let theirs = pts.as_fd().try_clone_to_owned().unwrap();
        let mut command = InTerminal::from(command).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(stdin) = stdin {
            command = command.stdin(stdin);
        }
        (command.spawn(pts).unwrap(), Self { ours, _theirs: theirs })
    }

    /// Presses a key together with Ctrl.
    pub(super) fn press(&self, key: u8) {
        (&self.ours).write_all(&[key & 0x1f]).unwrap();
    }
}
