//! The parts of `wit-bindgen` and `wasm-tools` that a plugin in C is built with.
//!
//! They understand the command lines that the Makefiles of our examples contain, so that a Makefile is the same for
//! whoever has installed those two programs; we have them as libraries anyway.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use wit_bindgen_core::Files;
use wit_component::ComponentEncoder;
use wit_parser::Resolve;

#[derive(Subcommand)]
pub(crate) enum WitBindgen {
    /// Write C bindings of a world
    C {
        /// A folder of WIT, or a file
        wit: PathBuf,
        /// The world's name
        #[arg(long)]
        world: String,
        /// Where the bindings go
        #[arg(long)]
        out_dir: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum WasmTools {
    /// Components
    #[command(subcommand)]
    Component(Component),
}

#[derive(Subcommand)]
pub(crate) enum Component {
    /// Make a component of a core module that was compiled with bindings
    New {
        /// The core module
        module: PathBuf,
        /// The component
        #[arg(long, short)]
        output: PathBuf,
    },
}

impl WitBindgen {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::C { wit, world, out_dir } = self;
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(&wit).with_context(|| format!("cannot read {}", wit.display()))?;
        let world = resolve.select_world(&[package], Some(&world))?;
        let mut files = Files::default();
        wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
        std::fs::create_dir_all(&out_dir).with_context(|| format!("cannot create {}", out_dir.display()))?;
        for (name, content) in files.iter() {
            write(&out_dir.join(name), content)?;
        }
        Ok(())
    }
}

impl WasmTools {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Component(Component::New { module, output }) = self;
        let core = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let component = ComponentEncoder::default().module(&core)?.validate(true).encode()?;
        write(&output, &component)
    }
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
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
