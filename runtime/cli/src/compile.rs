//! `lastword compile`: machine code ahead of time. A large plugin takes seconds to a minute to compile, and milliseconds
//! once it is in the cache.

use std::io::Write;

use lastword::Limits;
use lastword_sandbox::{Grants, LoadError, Source};

use crate::args::{CacheArgs, CompileArgs};
use crate::config::PluginEntry;
use crate::directories;
use crate::exit::{Exit, Failure, told};
use crate::logging;
use crate::plugins;
use crate::progress::Progress;
use crate::units::{show_bytes, show_duration};

/// Compiles what is not in the cache yet.
///
/// # Errors
/// For the first plugin that cannot be compiled, or kept.
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
        let found = {
            let _progress = Progress::of(name.as_str(), component.len());
            sandbox.inspect(&Source::Bytes(component), &Grants::default()).map_err(Failure::usage)?
        };
        // What it lacks in grants, its configuration may give it.
        let refusal = found.refusal.filter(|refusal| !matches!(refusal, LoadError::NeedsGrant { .. }));
        if let Some(refusal) = refusal {
            return Err(Failure::usage(anyhow::anyhow!("{}: {refusal}", path.display())));
        }
        if !found.cached {
            return Err(Failure::usage(anyhow::anyhow!(
                "{} was compiled, and its code cannot be kept in {}: name another directory with --cache-dir",
                path.display(),
                dir.display()
            )));
        }
        let said = match found.compiled_in {
            Some(took) => format!("compiled in {}", show_duration(took)),
            None => "compiled already".to_owned(),
        };
        told(writeln!(out, "{}: {bytes}, {said}", path.display()))?;
    }
    told(writeln!(out, "kept in {}", dir.display()))?;
    Ok(Exit::Delivered)
}
