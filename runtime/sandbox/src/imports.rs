//! The imports that a component may have, and those that need a grant.

use wasmtime::Engine;
use wasmtime::component::types;
use wasmtime::component::types::ComponentItem;

use crate::error::LoadError;
use crate::foreign::foreign_name;
use crate::grants::{Grant, Grants};

/// The provider of an import, and the plugins that get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provision {
    /// The sandbox, to every plugin. Environment, arguments, directories and network are there but empty.
    Everyone,
    /// The sandbox, to a plugin with the grant.
    Grant(Grant),
    /// Not provided. The sandbox serves another version, or these other interfaces of its package.
    Another(&'static str),
    /// Not provided, and no other interface of its package is.
    Nobody,
}

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Import {
    /// The name with its version, e.g. `wasi:cli/stdout@0.2.0`. Printable, and cut when it is long.
    pub name: String,
    /// Who provides it.
    pub provision: Provision,
}

impl Import {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: foreign_name(name), provision: provision(name) }
    }

    fn check_is_served(&self) -> Result<(), LoadError> {
        match self.provision {
            Provision::Another(served) => Err(LoadError::AnotherServed { import: self.name.clone(), served }),
            Provision::Nobody => Err(LoadError::UnknownImport { import: self.name.clone() }),
            Provision::Everyone | Provision::Grant(_) => Ok(()),
        }
    }

    fn check_is_granted(&self, grants: &Grants) -> Result<(), LoadError> {
        match self.provision {
            #[cfg(not(feature = "http"))]
            Provision::Grant(Grant::Http) => {
                Err(LoadError::FeatureMissing { import: self.name.clone(), feature: "http" })
            }
            Provision::Grant(grant) if !grants.has(grant) => {
                Err(LoadError::NeedsGrant { import: self.name.clone(), grant })
            }
            _ => Ok(()),
        }
    }
}

/// Refuses imports that no grant provides.
pub(crate) fn check_are_served(imports: &[Import]) -> Result<(), LoadError> {
    imports.iter().try_for_each(Import::check_is_served)
}

/// Refuses imports whose grant is missing.
pub(crate) fn check_are_granted(imports: &[Import], grants: &Grants) -> Result<(), LoadError> {
    imports.iter().try_for_each(|import| import.check_is_granted(grants))
}

/// A package with interfaces that are served.
struct Served {
    package: &'static str,
    version: Version,
    interfaces: &'static [&'static str],
    provision: Provision,
    /// All of them in words.
    words: &'static str,
}

enum Version {
    /// Every version of WASI 0.2: a later one serves a component that asks for an earlier one.
    Wasi02,
    /// Only this version, because a draft promises nothing.
    Only(&'static str),
}

const SERVED: [Served; 9] = [
    Served {
        package: "wasi:cli",
        version: Version::Wasi02,
        interfaces: &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
        provision: Provision::Everyone,
        words: "wasi:cli@0.2 (environment, exit, stdin, stdout, stderr, terminal-…)",
    },
    Served {
        package: "wasi:io",
        version: Version::Wasi02,
        interfaces: &["error", "poll", "streams"],
        provision: Provision::Everyone,
        words: "wasi:io@0.2 (error, poll, streams)",
    },
    Served {
        package: "wasi:clocks",
        version: Version::Wasi02,
        interfaces: &["monotonic-clock", "wall-clock"],
        provision: Provision::Everyone,
        words: "wasi:clocks@0.2 (monotonic-clock, wall-clock)",
    },
    Served {
        package: "wasi:random",
        version: Version::Wasi02,
        interfaces: &["random", "insecure", "insecure-seed"],
        provision: Provision::Everyone,
        words: "wasi:random@0.2 (random, insecure, insecure-seed)",
    },
    Served {
        package: "wasi:filesystem",
        version: Version::Wasi02,
        interfaces: &["types", "preopens"],
        provision: Provision::Everyone,
        words: "wasi:filesystem@0.2 (types, preopens)",
    },
    Served {
        package: "wasi:sockets",
        version: Version::Wasi02,
        interfaces: &[
            "network",
            "instance-network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
            "ip-name-lookup",
        ],
        provision: Provision::Everyone,
        words: "wasi:sockets@0.2, whose every call is refused",
    },
    Served {
        package: "wasi:http",
        version: Version::Wasi02,
        interfaces: &["types", "outgoing-handler"],
        provision: Provision::Grant(Grant::Http),
        words: "wasi:http@0.2 (types, outgoing-handler)",
    },
    Served {
        package: "wasi:keyvalue",
        version: Version::Only("0.2.0-draft"),
        interfaces: &["store", "atomics", "batch"],
        provision: Provision::Grant(Grant::KeyValue),
        words: "wasi:keyvalue@0.2.0-draft (store, atomics, batch)",
    },
    Served {
        package: "wasi:config",
        version: Version::Only("0.2.0-rc.1"),
        interfaces: &["store"],
        provision: Provision::Grant(Grant::Config),
        words: "wasi:config@0.2.0-rc.1 (store)",
    },
];

impl Version {
    fn is(&self, version: &str) -> bool {
        match self {
            Self::Wasi02 => version
                .strip_prefix("0.2.")
                .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit())),
            Self::Only(only) => version == *only,
        }
    }
}

fn provision(name: &str) -> Provision {
    let Some((package, rest)) = name.split_once('/') else { return Provision::Nobody };
    let Some(served) = SERVED.iter().find(|served| served.package == package) else { return Provision::Nobody };
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    if served.interfaces.contains(&interface) && served.version.is(version) {
        served.provision
    } else {
        Provision::Another(served.words)
    }
}

/// The component's imports, without those of types only, which need no provider.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_told_from_what_everyone_gets() {
        assert_eq!(provision("wasi:cli/environment@0.2.6"), Provision::Everyone);
        assert_eq!(provision("wasi:http/types@0.2.0"), Provision::Grant(Grant::Http));
        assert_eq!(provision("wasi:keyvalue/store@0.2.0-draft"), Provision::Grant(Grant::KeyValue));
        assert_eq!(provision("acme:unheard-of/oracle@0.2.3"), Provision::Nobody);
    }

    #[test]
    fn no_grant_is_named_for_a_version_or_an_interface_that_is_not_served() {
        for (name, served) in [
            ("wasi:cli/environment@0.3.0", "wasi:cli@0.2 "),
            ("wasi:cli/stdout@0.2.0-rc-2023-11-10", "wasi:cli@0.2 "),
            ("wasi:clocks/timezone@0.2.0", "(monotonic-clock, wall-clock)"),
            ("wasi:config/store@0.2.0-draft", "wasi:config@0.2.0-rc.1 (store)"),
            ("wasi:config/runtime@0.2.0-draft", "wasi:config@0.2.0-rc.1 (store)"),
            ("wasi:config/store", "wasi:config@0.2.0-rc.1 (store)"),
            ("wasi:keyvalue/store@0.2.0-draft2", "wasi:keyvalue@0.2.0-draft "),
            ("wasi:keyvalue/eventual@0.1.0", "wasi:keyvalue@0.2.0-draft "),
            ("wasi:http/handler@0.3.0", "wasi:http@0.2 "),
        ] {
            let provision = provision(name);
            assert!(matches!(provision, Provision::Another(words) if words.contains(served)), "{name}: {provision:?}");
        }
    }

    /// Tests that the linker has all interfaces of the table.
    #[cfg(feature = "http")]
    #[test]
    fn everything_that_is_said_to_be_served_is_linked() {
        use crate::state::GuestState;
        use wasmtime::component::{Component, Linker};

        let engine = Engine::default();
        let mut linker: Linker<GuestState> = Linker::new(&engine);
        crate::linker::link_wasi(&mut linker).unwrap();
        let all = Grants {
            config: Some(std::collections::BTreeMap::new()),
            key_value: Some(crate::KeyValueGrant { quota: 1 }),
            http: Some(crate::AllowList::default()),
            transcript: None,
        };
        crate::linker::link_granted(&mut linker, &all).unwrap();
        for Served { package, version, interfaces, .. } in SERVED {
            let version = match version {
                Version::Wasi02 => "0.2.0",
                Version::Only(version) => version,
            };
            for interface in interfaces {
                let name = format!("{package}/{interface}@{version}");
                // The engine refuses a missing instance and an instance without a function in different words.
                let text = format!(r#"(component (import "{name}" (instance (export "no-such-function" (func)))))"#);
                let component = Component::new(&engine, lastword_test_guests::from_text(&text)).unwrap();
                let refusal = linker.instantiate_pre(&component).err().map(|error| format!("{error:#}"));
                let refusal = refusal.unwrap_or_default();
                assert!(refusal.contains("no-such-function"), "{name}: {refusal}");
            }
        }
    }
}
