//! What a component may import, and what it may import only with a grant.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, types};

use crate::error::LoadError;
use crate::grants::{Grant, Grants};

/// Bytes of a component's own name that a message repeats.
const MAX_NAME_BYTES: usize = 128;
/// Names that a message lists.
const MAX_NAMES: usize = 16;

/// Who provides an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provision {
    /// The sandbox, to every plugin. Environment, arguments, directories and network are there but empty.
    Everyone,
    /// The sandbox, to a plugin with the grant.
    Grant(Grant),
    /// Nobody.
    Nobody,
}

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Import {
    /// With its version, e.g. `wasi:cli/stdout@0.2.0`.
    pub name: String,
    /// Who provides it.
    pub provision: Provision,
}

impl Import {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), provision: provision(name) }
    }

    /// Refuses what nobody provides, or not without a grant.
    pub(crate) fn check(&self, grants: &Grants) -> Result<(), LoadError> {
        let import = || clipped(&self.name);
        match self.provision {
            Provision::Everyone => Ok(()),
            Provision::Grant(grant) if grants.has(grant) => Ok(()),
            Provision::Grant(grant) => Err(LoadError::NeedsGrant { import: import(), grant }),
            Provision::Nobody => Err(LoadError::UnknownImport { import: import() }),
        }
    }
}

/// The packages of WASI 0.2 that every plugin may import: ordinary guests do, without using them.
const FOR_EVERYONE: [&str; 6] =
    ["wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"];

fn provision(name: &str) -> Provision {
    if name.starts_with("wasi:http/") {
        Provision::Grant(Grant::Http)
    } else if name.starts_with("wasi:keyvalue/") {
        Provision::Grant(Grant::KeyValue)
    } else if name.starts_with("wasi:config/") {
        Provision::Grant(Grant::Config)
    } else if FOR_EVERYONE.iter().any(|package| name.starts_with(package)) && name.contains("@0.2.") {
        Provision::Everyone
    } else {
        Provision::Nobody
    }
}

/// What the component imports, without what is types only: those need no provider.
pub(crate) fn imports(engine: &Engine, component: &types::Component) -> Vec<Import> {
    let needs_provider = |item: &ComponentItem| match item {
        ComponentItem::Type(_) => false,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).any(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
        }
        _ => true,
    };
    component.imports(engine).filter(|(_, item)| needs_provider(&item.ty)).map(|(name, _)| Import::new(name)).collect()
}

/// Names of what the component exports, the first of them.
pub(crate) fn exports(engine: &Engine, component: &Component) -> Vec<String> {
    component.component_type().exports(engine).map(|(name, _)| clipped(name)).take(MAX_NAMES).collect()
}

/// A name for a message: it is the component's, and may have any length.
fn clipped(name: &str) -> String {
    match name.get(..name.floor_char_boundary(MAX_NAME_BYTES)) {
        Some(start) if start.len() < name.len() => format!("{start}…"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_told_from_what_everyone_gets() {
        assert_eq!(provision("wasi:cli/environment@0.2.6"), Provision::Everyone);
        assert_eq!(provision("wasi:http/types@0.2.0"), Provision::Grant(Grant::Http));
        assert_eq!(provision("wasi:keyvalue/store@0.2.0-draft"), Provision::Grant(Grant::KeyValue));
        assert_eq!(provision("wasi:cli/environment@0.3.0"), Provision::Nobody, "WASI 0.3 is another matter");
        assert_eq!(provision("acme:unheard-of/oracle@0.2.3"), Provision::Nobody);
    }
}
