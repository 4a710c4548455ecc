//! The parts of `wit-bindgen` and `wasm-tools` that plugins in C and Go are built with.
//!
//! They understand the command lines that the Makefiles of our examples contain, so that a Makefile is the same for
//! whoever has installed those two programs; we have them as libraries anyway.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use wit_bindgen_core::Files;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

#[derive(Subcommand)]
pub(crate) enum WitBindgen {
    /// Write C bindings of a world
    C(Bindings),
    /// Write Go bindings of a world
    Go(Bindings),
}

#[derive(clap::Args)]
pub(crate) struct Bindings {
    /// A folder of WIT, or a file
    wit: PathBuf,
    /// The world's name
    #[arg(long)]
    world: String,
    /// Where the bindings go
    #[arg(long)]
    out_dir: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum WasmTools {
    /// Components
    #[command(subcommand)]
    Component(Component),
}

#[derive(Subcommand)]
pub(crate) enum Component {
    /// Write a world into a core module that was compiled without its bindings' own note of it
    Embed {
        /// A folder of WIT, or a file
        wit: PathBuf,
        /// The core module
        module: PathBuf,
        /// The world's name
        #[arg(long)]
        world: String,
        /// The core module with the note
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Make a component of a core module that was compiled with bindings
    New {
        /// The core module
        module: PathBuf,
        /// What provides the interfaces of an older WASI that the module imports
        #[arg(long, value_name = "NAME=FILE", value_parser = name_and_file)]
        adapt: Vec<(String, PathBuf)>,
        /// The component
        #[arg(long, short)]
        output: PathBuf,
    },
}

fn name_and_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("it must be NAME=FILE")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

impl WitBindgen {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (Self::C(bindings) | Self::Go(bindings)) = &self;
        let (mut resolve, world) = resolved(&bindings.wit, &bindings.world)?;
        let mut files = Files::default();
        match self {
            Self::C(_) => wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?,
            Self::Go(_) => wit_bindgen_go::Opts::default().build().generate(&mut resolve, world, &mut files)?,
        }
        for (name, content) in files.iter() {
            write(&bindings.out_dir.join(name), content)?;
        }
        Ok(())
    }
}

impl WasmTools {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Component(component) = self;
        match component {
            Component::Embed { wit, module, world, output } => {
                let (resolve, world) = resolved(&wit, &world)?;
                let mut core = read(&module)?;
                embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)?;
                write(&output, &core)
            }
            Component::New { module, adapt, output } => {
                let mut encoder = ComponentEncoder::default().module(&read(&module)?)?.validate(true);
                for (name, file) in adapt {
                    encoder = encoder.adapter(&name, &read(&file)?)?;
                }
                write(&output, &encoder.encode()?)
            }
        }
    }
}

/// Writes the adapter that makes WASI 0.2 of the older one that Go compiles for.
pub(crate) fn write_adapter(output: &Path) -> anyhow::Result<()> {
    write(output, wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
}

fn resolved(wit: &Path, world: &str) -> anyhow::Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).with_context(|| format!("cannot read {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some(world))?;
    Ok((resolve, world))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Makes the folder as well.
fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, content));
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line<T: Subcommand> {
        #[command(subcommand)]
        tool: T,
    }

    /// The command line of our Makefiles, without the program's name.
    fn words<'a>(line: &'a str, make: &[(&str, &'a Path)]) -> Vec<&'a std::ffi::OsStr> {
        let value = |word: &'a str| {
            make.iter().find(|(name, _)| *name == word).map_or(word.as_ref(), |(_, path)| path.as_os_str())
        };
        line.split(' ').map(value).collect()
    }

    #[test]
    fn a_module_without_bindings_is_no_component() {
        let folder = tempfile::tempdir().unwrap();
        let (module, output) = (folder.path().join("core.wasm"), folder.path().join("plugin.wasm"));
        std::fs::write(&module, "no module").unwrap();
        let line = words("wasm-tools component new MODULE -o OUTPUT", &[("MODULE", &module), ("OUTPUT", &output)]);
        assert!(Line::<WasmTools>::parse_from(line).tool.run().is_err());
        assert!(!output.exists());
    }

    #[test]
    fn bindings_of_the_example_have_its_hook_and_their_component_type() {
        let folder = tempfile::tempdir().unwrap();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/c-session-counter/wit");
        let line = words("wit-bindgen c WIT --world plugin --out-dir OUT", &[("WIT", &wit), ("OUT", folder.path())]);
        Line::<WitBindgen>::parse_from(line).tool.run().unwrap();
        let header = std::fs::read_to_string(folder.path().join("plugin.h")).unwrap();
        assert!(header.contains("bool exports_plugin_session_end("), "{header}");
        assert!(folder.path().join("plugin_component_type.o").is_file());
    }
}
