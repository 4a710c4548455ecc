//! What a plugin's author wants to know of a component: everything that `load` looks at, without stopping at the first
//! thing that is wrong.

use lastword_events::{Hook, PluginName};
use sha2::{Digest, Sha256};

use crate::error::LoadError;
use crate::grants::{Grant, Grants};
use crate::imports::{Import, Provision};
use crate::limits::Limits;
use crate::load::{LoadOptions, Loader, check_memories, compiled, link};
use crate::prescan::prescan;
use crate::source::{FileKind, Source, check_is_component};

/// What was found in a component.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// By its first bytes.
    pub kind: FileKind,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hexadecimal digits in lower case: what a pin in the configuration wants.
    pub sha256: String,
    /// The hooks that it exports, in the order of a session's life.
    pub hooks: Vec<HookFit>,
    /// The interfaces that it imports.
    pub imports: Vec<Import>,
    /// Why it cannot be loaded, with default limits; `None` when it can. What is wrong with its imports and hooks, and then
    /// a grant that is missing, is found without compiling it.
    pub refusal: Option<LoadError>,
}

/// Whether an exported hook is the contract's.
#[derive(Debug)]
#[non_exhaustive]
pub struct HookFit {
    /// The hook.
    pub hook: Hook,
    /// What is wrong with its signature.
    pub problem: Option<LoadError>,
}

impl Inspection {
    /// The grants that it would need, each once.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        let mut grants: Vec<Grant> = self
            .imports
            .iter()
            .filter_map(|import| match import.provision {
                Provision::Grant(grant) => Some(grant),
                _ => None,
            })
            .collect();
        grants.sort_unstable();
        grants.dedup();
        grants
    }
}

pub(crate) fn inspect(loader: &Loader, source: &Source, grants: &Grants) -> Result<Inspection, LoadError> {
    let bytes = source.read()?;
    let mut found = Inspection {
        kind: FileKind::of(&bytes),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: format!("{:x}", Sha256::digest(&bytes)),
        hooks: Vec::new(),
        imports: Vec::new(),
        refusal: None,
    };
    let scan = match check_is_component(&bytes).and_then(|()| prescan(&bytes)) {
        Ok(scan) => scan,
        Err(error) => return Ok(Inspection { refusal: Some(error), ..found }),
    };
    found.hooks = scan.fits().map(|(hook, problem)| HookFit { hook, problem }).collect();
    // What can be known is known before it is compiled, which may take long.
    found.refusal =
        match scan.check().and_then(|()| scan.check_grants(grants)).and_then(|()| fit(loader, &bytes, grants)) {
            Err(error) if error.is_of_the_machine() => return Err(error),
            checked => checked.err(),
        };
    found.imports = scan.imports;
    Ok(found)
}

/// Compiles and links it, with default limits.
fn fit(loader: &Loader, bytes: &[u8], grants: &Grants) -> Result<(), LoadError> {
    let memory = Limits::default().memory.min(loader.max_memory);
    let memories = check_memories(loader, bytes, memory)?;
    let compiled = compiled(loader, None, bytes, (Sha256::digest(bytes).into(), memories))?;
    let limits = Limits { memory, ..Limits::default() };
    // The name is for logs only.
    let Ok(name) = PluginName::new("inspected") else { return Ok(()) };
    link(loader, &compiled, LoadOptions { name, limits, grants: grants.clone() }).map(drop)
}
