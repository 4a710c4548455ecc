//! `lastword compile`: compiles plugins ahead of time. Compiling a large plugin takes seconds to a minute; loading it
//! from the cache takes milliseconds.

use std::io::Write;

use lastword::Limits;
use lastword_sandbox::{Grants, Source};

use crate::args::{CacheArgs, CompileArgs};
use crate::config::PluginEntry;
use crate::directories;
use crate::exit::{Exit, Failure, printed};
use crate::logging;
use crate::plugins;
use lastword_config::units::{show_bytes, show_duration};
use lastword_events::text::printable_path;

/// Compiles the plugins that are not in the cache yet.
///
/// # Errors
/// For the first plugin that cannot be compiled, or stored.
pub(crate) fn compile(args: &CompileArgs) -> Result<Exit, Failure> {
    logging::to_stderr(None::<tracing_subscriber::layer::Identity>);
    let cache = CacheArgs { cache_dir: args.cache_dir.clone(), no_cache: false };
    let Some(dir) = plugins::cache_dir(&cache) else {
        return Err(Failure::usage(anyhow::anyhow!(
            "nobody knows where your cache is ({}): name a directory with --cache-dir",
            directories::missing()
        )));
    };
    let mut entries = Vec::new();
    for path in &args.plugins {
        entries.push(plugins::from_path(path, Limits::default(), Grants::default())?);
    }
    let sandbox = plugins::sandbox(&cache, &entries)?;
    let mut out = anstream::stdout().lock();
    for PluginEntry { name, path, component, .. } in entries {
        let bytes = show_bytes(u64::try_from(component.len()).unwrap_or(u64::MAX));
        // Its configuration may grant the plugin the rights that are missing here.
        let compiled = sandbox
            .compile_as(&name, &Source::Bytes(component))
            .map_err(|refusal| Failure::usage(anyhow::Error::from(refusal).context(printable_path(&path))))?;
        if !compiled.is_cached() {
            return Err(Failure::usage(anyhow::anyhow!(
                "{} was compiled, and its code cannot be kept in {}: name another directory with --cache-dir",
                printable_path(&path),
                printable_path(&dir)
            )));
        }
        let said = match compiled.compiled_in() {
            Some(took) => format!("compiled in {}", show_duration(took)),
            None => "compiled already".to_owned(),
        };
        printed(writeln!(out, "{}: {bytes}, {said}", printable_path(&path)))?;
    }
    printed(writeln!(out, "kept in {}", printable_path(&dir)))?;
    Ok(Exit::Delivered)
}
