//! What a plugin's author wants to know of a component: everything that `load` looks at, without stopping at the first
//! thing that is wrong.

use std::time::Duration;

use lastword_events::{Hook, PluginName};
use sha2::{Digest, Sha256};

use crate::error::LoadError;
use crate::grants::{Grant, Grants};
use crate::imports::{Import, Provision, imports};
use crate::limits::Limits;
use crate::load::{Loader, Terms, check_hook, check_memories, link, present};
use crate::prescan::prescan;
use crate::source::{FileKind, Source, check_is_component};

/// What was found.
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
    /// Whether its code is in the code cache now.
    pub cached: bool,
    /// How long it took to compile; none when the code cache had it, or it does not compile.
    pub compiled_in: Option<Duration>,
    /// Why it cannot be loaded, with default limits; `None` when it can.
    pub refusal: Option<LoadError>,
}

/// Whether an exported hook is the contract's.
#[derive(Debug)]
#[non_exhaustive]
pub struct HookFit {
    /// Which.
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
        cached: false,
        compiled_in: None,
        refusal: None,
    };
    // What the imports lack is told with everything else.
    let scanned = check_is_component(&bytes).and_then(|()| prescan(&bytes));
    let fits = scanned.and_then(|_imports| check_memories(loader, &bytes, loader.max_memory));
    match fits.and_then(|()| loader.compiler.compile(&bytes)) {
        Err(error) if error.is_of_the_machine() => return Err(error),
        Err(error) => found.refusal = Some(error),
        Ok(compiled) => {
            found.compiled_in = compiled.compiled_in;
            found.cached = compiled.cached;
            found.imports = imports(&loader.engine, &compiled.component.component_type());
            found.hooks = hooks(loader, &compiled.component);
            let memory = Limits::default().memory.min(loader.max_memory);
            let limits = Limits { memory, ..Limits::default() };
            // The name is for logs only.
            let name = PluginName::new("inspected");
            let terms = name.map(|name| Terms { name, limits, grants: grants.clone() });
            found.refusal = match terms.ok().map(|terms| link(loader, compiled, terms)) {
                Some(Err(error)) if error.is_of_the_machine() => return Err(error),
                linked => linked.and_then(Result::err),
            };
        }
    }
    Ok(found)
}

/// Looks at the hooks also of a component that cannot be linked.
fn hooks(loader: &Loader, component: &wasmtime::component::Component) -> Vec<HookFit> {
    let mut linker = loader.linker.clone();
    let linked = linker.define_unknown_imports_as_traps(component).and_then(|()| linker.instantiate_pre(component));
    present(component)
        .map(|hook| HookFit {
            hook,
            problem: linked.as_ref().ok().and_then(|instance| check_hook(instance, hook).err()),
        })
        .collect()
}
