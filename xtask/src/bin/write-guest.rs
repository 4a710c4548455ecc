//! `write-guest NAME FOLDER`: makes the test guest `NAME` (text in `tests/guests/wat/`) a component in `FOLDER`, and
//! prints its path.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(folder)) = (args.next(), args.next()) else { bail!("usage: write-guest NAME FOLDER") };
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let component = lastword_test_guests::write(&name, &folder);
    anstream::println!("{}", component.display());
    Ok(())
}
