//! The program's exit codes.

use std::fmt::Write as _;
use std::io;

use lastword::Durability;

/// The result of the program. Supervisors read it, so a number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Delivered = 0,
    Internal = 1,
    Usage = 2,
    Owed = 3,
    Lost = 4,
    Journal = 5,
    No = 6,
    TakenOver = 7,
}

impl Exit {
    const ALL: [Self; 8] = [
        Self::Delivered,
        Self::Internal,
        Self::Usage,
        Self::Owed,
        Self::Lost,
        Self::Journal,
        Self::No,
        Self::TakenOver,
    ];

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Delivered => "every session-end was delivered",
            Self::Internal => "internal error",
            Self::Usage => {
                "wrong usage or configuration, a plugin that cannot be loaded, or too little of something on this machine"
            }
            Self::Owed => "session-ends are owed, safe in the journal, and go out after the next start",
            Self::Lost => "session-ends are lost (the journal was in memory); stderr says how many",
            Self::Journal => {
                "the journal cannot be used: in use, missing, damaged, of a newer version, lost by its servers, …"
            }
            Self::TakenOver => {
                "`serve`: another node has taken this one's journal over, ends its sessions and delivers what is owed; or another run of it has it; start it again"
            }
            Self::No => {
                "`run`: not delivered; `check`: the plugin does not fit; `test`: it failed; `redeliver`, `drop`, `forget`: unknown id; `doctor`, `status --probe`: something is wrong; `install`: the owner does not trust the hooks yet"
            }
        }
    }

    /// Returns the table of all codes, for `--help`.
    pub(crate) fn help() -> String {
        let mut text = "Exit codes:\n".to_owned();
        for exit in Self::ALL {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {}  {}", exit.code(), exit.meaning());
        }
        text
    }
}

/// Returns the exit code for undelivered ends.
pub(crate) fn undelivered(durability: Durability) -> Exit {
    match durability {
        Durability::Disk => Exit::Owed,
        Durability::Memory => Exit::Lost,
    }
}

/// A failed command: the error for the user, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    pub(crate) fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Internal, error: error.into() }
    }
}

/// Returns the result of printing. A reader that has closed the pipe (`| head`) is no failure.
pub(crate) fn printed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::internal(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_design() {
        let expected = [(Exit::Delivered, 0), (Exit::Internal, 1), (Exit::Usage, 2), (Exit::Owed, 3), (Exit::Lost, 4)];
        for (exit, code) in expected.into_iter().chain([(Exit::Journal, 5), (Exit::No, 6), (Exit::TakenOver, 7)]) {
            assert_eq!(exit.code(), code);
            assert!(Exit::help().contains(&format!("\n  {code}  ")), "{code} is documented");
        }
    }
}
