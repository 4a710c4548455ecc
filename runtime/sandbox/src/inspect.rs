//! Inspects a component for its author: checks everything that `load` checks, and does not stop at the first fault.

use lastword_events::{Hook, PluginName};
use sha2::{Digest, Sha256};

use crate::error::LoadError;
use crate::grants::{Grant, Grants};
use crate::imports::{Import, Provision};
use crate::limits::Limits;
use crate::load::{LoadOptions, Loader, check_memories, compiled, link};
use crate::prescan::prescan;
use crate::source::{FileKind, Source, check_is_component};

/// The findings about a component.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The kind of the file, from its first bytes.
    pub kind: FileKind,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hexadecimal digits in lower case, as for a pin in the configuration.
    pub sha256: String,
    /// The exported hooks, in the order of a session's life.
    pub hooks: Vec<HookFit>,
    /// The imported interfaces.
    pub imports: Vec<Import>,
    /// The reason why the component cannot be loaded with default limits; `None` when it can. Faults of its imports and hooks come first,
    /// then a missing grant. Both are found without compiling.
    pub refusal: Option<LoadError>,
}

/// Whether an exported hook is the contract's.
#[derive(Debug)]
#[non_exhaustive]
pub struct HookFit {
    /// The hook.
    pub hook: Hook,
    /// The fault of its signature.
    pub problem: Option<LoadError>,
}

impl Inspection {
    /// The grants that the component needs, each once.
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
    // Faults that need no compilation are found first, because compiling may take long.
    found.refusal =
        match scan.check().and_then(|()| scan.check_grants(grants)).and_then(|()| fit(loader, &bytes, grants)) {
            Err(error) if error.is_of_the_machine() => return Err(error),
            checked => checked.err(),
        };
    found.imports = scan.imports;
    Ok(found)
}

/// Compiles and links the component, with default limits.
fn fit(loader: &Loader, bytes: &[u8], grants: &Grants) -> Result<(), LoadError> {
    let memory = Limits::default().memory.min(loader.max_memory);
    let memories = check_memories(loader, bytes, memory)?;
    let compiled = compiled(loader, None, bytes, (Sha256::digest(bytes).into(), memories))?;
    let limits = Limits { memory, ..Limits::default() };
    // The name is for logs only.
    let Ok(name) = PluginName::new("inspected") else { return Ok(()) };
    link(loader, &compiled, LoadOptions { name, limits, grants: grants.clone() }).map(drop)
}
