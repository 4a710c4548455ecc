//! `with-its-parent PARENT PROGRAM ARGS…` becomes the program, which the system kills when the process PARENT dies.

fn main() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    linux::run()?;
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{Error, Result};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    pub(crate) fn run() -> Result<()> {
        let mut words = std::env::args_os().skip(1);
        let parent = words.next().and_then(|word| word.to_str()?.parse::<i32>().ok());
        let (Some(parent), Some(program)) = (parent, words.next()) else {
            return Err(Error::other("with-its-parent PARENT PROGRAM ARGS…"));
        };
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that has died before that is not noticed otherwise.
        if getppid().is_none_or(|now| now.as_raw_nonzero().get() != parent) {
            return Err(Error::other("its parent is gone"));
        }
        // Comes back only when it fails.
        Err(Command::new(program).args(words).exec())
    }
}
