//! A look at what a component imports before it is compiled: compiling may take a minute, and a missing grant is known in
//! milliseconds.

pub(crate) mod memories;

use wasmparser::component_types::{ComponentEntityType, ComponentItem};
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

use crate::error::LoadError;
use crate::imports::Import;
use crate::limits::MAX_COMPONENT_DEPTH;

/// The interfaces that the component itself imports, without those that are types only. Function bodies are not looked at.
pub(crate) fn prescan(bytes: &[u8]) -> Result<Vec<Import>, LoadError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut depth, mut names, mut types) = (0_u32, Vec::new(), None);
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
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports.clone() {
                    names.push(import.map_err(|error| invalid(&error))?.name.name.to_owned());
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        // The types of the whole component are known when it ends; those of its parts are dropped.
        if let ValidPayload::End(whole) = validator.payload(&payload).map_err(|error| invalid(&error))? {
            types = Some(whole);
        }
    }
    let Some(types) = types else { return Ok(Vec::new()) };
    let is_type = |item: &ComponentItem| matches!(item.ty, ComponentEntityType::Type { .. });
    let needs_provider = |name: &&String| match types.component_item_for_import(name) {
        Some(ComponentItem { ty: ComponentEntityType::Instance(id), .. }) => {
            types.as_ref().get(*id).is_none_or(|instance| !instance.exports.values().all(is_type))
        }
        Some(item) => !is_type(item),
        None => true,
    };
    Ok(names.iter().filter(needs_provider).map(|name| Import::new(name)).collect())
}

fn invalid(error: &wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Invalid { detail: error.to_string() }
}
