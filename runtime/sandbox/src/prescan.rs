//! Checks a component before it is compiled. Compiling may take a minute, and the imports, exports and hook types of a component are
//! known in milliseconds.

pub(crate) mod definition;
pub(crate) mod memories;

use lastword_events::Hook;
use wasmparser::component_types::{ComponentEntityType, ComponentItem};
use wasmparser::types::{Types, TypesRef};
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

use crate::contract::{PACKAGE, TYPES};
use crate::error::LoadError;
use crate::foreign::{foreign_name, foreign_text};
use crate::grants::Grants;
use crate::imports::{Import, check_are_granted, check_are_served};
use crate::limits::MAX_COMPONENT_DEPTH;
use crate::shape;

/// Exports that a message lists.
const MAX_NAMES: usize = 16;
/// The export of a program with a main function.
const RUN: &str = "wasi:cli/run";

/// The findings of a scan.
pub(crate) struct Scan {
    /// The imports of the component itself, without those of types only.
    pub(crate) imports: Vec<Import>,
    /// The exported hooks, in the order of a session's life, with the fault of each.
    hooks: Vec<(Hook, Option<Problem>)>,
    /// Printable names of the first exports.
    exports: Vec<String>,
    is_command: bool,
    /// An exported interface that contains a hook, and that hook.
    inside: Option<(String, Hook)>,
    /// The contract that the component was built against, if it has another version.
    other_contract: Option<String>,
}

/// The fault of a hook.
enum Problem {
    Async,
    Differs(String),
}

impl Scan {
    /// Refuses faults that no grant removes.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        check_are_served(&self.imports)?;
        if self.hooks.iter().all(|(hook, _)| *hook != Hook::SessionEnd) {
            return Err(self.no_session_end());
        }
        self.fits().find_map(|(_, problem)| problem).map_or(Ok(()), Err)
    }

    /// Refuses missing grants.
    pub(crate) fn check_grants(&self, grants: &Grants) -> Result<(), LoadError> {
        check_are_granted(&self.imports, grants)
    }

    /// The hooks, each with its fault.
    pub(crate) fn fits(&self) -> impl Iterator<Item = (Hook, Option<LoadError>)> {
        self.hooks.iter().map(|(hook, problem)| (*hook, problem.as_ref().map(|problem| self.error(*hook, problem))))
    }

    fn error(&self, hook: Hook, problem: &Problem) -> LoadError {
        match problem {
            Problem::Async => LoadError::AsyncHook { hook },
            Problem::Differs(detail) => {
                LoadError::WrongSignature { hook, contract: self.other_contract.clone(), detail: foreign_text(detail) }
            }
        }
    }

    fn no_session_end(&self) -> LoadError {
        if self.is_command {
            LoadError::Command
        } else if let Some((interface, hook)) = &self.inside {
            LoadError::HookInInterface { hook: *hook, interface: interface.clone() }
        } else {
            LoadError::NoSessionEnd { exports: self.exports.clone() }
        }
    }
}

/// Validates the component, without the bodies of its functions.
pub(crate) fn prescan(bytes: &[u8]) -> Result<Scan, LoadError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut depth, mut types) = (0_u32, None);
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > MAX_COMPONENT_DEPTH {
                    let max = MAX_COMPONENT_DEPTH.into();
                    return Err(LoadError::DoesNotFit {
                        what: "components within components",
                        needs: depth.into(),
                        max,
                    });
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section.clone() {
                    imports.push(import.map_err(|error| invalid(&error))?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section.clone() {
                    exports.push(export.map_err(|error| invalid(&error))?.name.name.to_owned());
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        // The types of the whole component are known at its end. Those of its parts are dropped.
        if let ValidPayload::End(whole) = validator.payload(&payload).map_err(|error| invalid(&error))? {
            types = Some(whole);
        }
    }
    types.map(|types| seen(&types, &imports, &exports)).ok_or(LoadError::NotWasm)
}

fn seen(types: &Types, imports: &[String], exports: &[String]) -> Scan {
    let is_type = |item: &ComponentItem| matches!(item.ty, ComponentEntityType::Type { .. });
    let needs_provider = |name: &&String| match types.component_item_for_import(name) {
        Some(ComponentItem { ty: ComponentEntityType::Instance(id), .. }) => {
            types.as_ref().get(*id).is_none_or(|instance| !instance.exports.values().all(is_type))
        }
        Some(item) => !is_type(item),
        None => true,
    };
    let hooks = Hook::ALL.into_iter().filter_map(|hook| {
        let item = types.component_item_for_export(hook.as_str())?;
        Some((hook, problem(types.as_ref(), item, hook)))
    });
    let inside = exports.iter().find_map(|name| {
        let ComponentEntityType::Instance(id) = types.component_item_for_export(name)?.ty else { return None };
        let instance = types.as_ref().get(id)?;
        let hook = Hook::ALL.into_iter().rev().find(|hook| instance.exports.contains_key(hook.as_str()))?;
        Some((foreign_name(name), hook))
    });
    let contracts = imports.iter().filter_map(|name| name.strip_prefix(TYPES)?.strip_prefix('@'));
    let served = PACKAGE.rsplit('@').next();
    Scan {
        imports: imports.iter().filter(needs_provider).map(|name| Import::new(name)).collect(),
        hooks: hooks.collect(),
        exports: exports.iter().take(MAX_NAMES).map(|name| foreign_name(name)).collect(),
        is_command: exports.iter().any(|name| name.split('@').next() == Some(RUN)),
        inside,
        other_contract: contracts.into_iter().find(|version| Some(*version) != served).map(foreign_name),
    }
}

fn problem(types: TypesRef<'_>, item: &ComponentItem, hook: Hook) -> Option<Problem> {
    let ComponentEntityType::Func(id) = item.ty else {
        return Some(Problem::Differs("it is no function".to_owned()));
    };
    let function = types.get(id)?;
    if function.async_ {
        return Some(Problem::Async);
    }
    shape::difference(types, function, hook).map(Problem::Differs)
}

fn invalid(error: &wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Invalid { detail: foreign_text(&error.to_string()) }
}
