//! Plugins in Python: componentize-py puts them into a component together with the interpreter.

use std::path::PathBuf;
use std::process::Command;

use super::cache::Recipe;
use super::{Example, Possible, venv};
use crate::process;

pub(super) fn recipe() -> Recipe {
    Recipe { texts: vec![include_str!("python.rs"), include_str!("venv.rs")], paths: Vec::new() }
}

pub(super) fn build(example: &Example) -> anyhow::Result<Possible<PathBuf>> {
    let python = match venv::with(&example.folder.join("requirements.txt"))? {
        Possible::Done(python) => python,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let output = example.output();
    std::fs::create_dir_all(example.folder.join("build"))?;
    let mut command = Command::new(python.with_file_name("componentize-py"));
    process::from_shell(&mut command, &example.folder);
    command.args(["-q", "-d", "wit", "-w", "plugin", "componentize", "hooks", "-p", "src", "-o"]).arg(&output);
    process::run(&mut command)?;
    Ok(Possible::Done(output))
}

/// The example's tests need no component and nothing installed.
pub(super) fn test(example: &Example) -> anyhow::Result<Possible<()>> {
    let python = match venv::python() {
        Possible::Done(python) => python,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let mut command = Command::new(python);
    process::from_shell(&mut command, &example.folder);
    command.args(["-B", "-m", "unittest", "discover", "--quiet", "test"]);
    process::run(&mut command)?;
    Ok(Possible::Done(()))
}
