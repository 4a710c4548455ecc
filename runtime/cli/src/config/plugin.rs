use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastword_events::{Identity, PluginName};
use lastword_sandbox::limits::MAX_COMPONENT_BYTES;
use lastword_sandbox::{Grants, Limits};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::reader::{Reader, Table, Value};
use super::{grants, limits, name_of};
use crate::inputs;
use crate::quote::shown_path;

const KEYS: [&str; 9] =
    ["name", "component", "sha256", "tenants", "limits", "config", "keyvalue", "http", "transcript"];

/// One `[[plugin]]`.
#[derive(Debug)]
pub(crate) struct PluginEntry {
    pub(crate) name: PluginName,
    /// The component's file, for messages.
    pub(crate) path: PathBuf,
    /// What was in it when its pin was checked: this is what is run.
    pub(crate) component: Vec<u8>,
    /// None serves every tenant.
    pub(crate) tenants: Option<Vec<Arc<str>>>,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// Where it was said, e.g. `lastword.toml:4:8`.
    pub(crate) place: String,
}

/// A component's file that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ComponentError {
    #[error("there is no component at {}: build it first, or correct the path", shown_path(.0))]
    Missing(PathBuf),
    #[error("{} is a directory: name the component's file, which ends in .wasm", shown_path(.0))]
    Directory(PathBuf),
    #[error("cannot read the component {}: {source}", shown_path(path))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} has more than {MAX_COMPONENT_BYTES} bytes, the most that is read: strip its debug information", shown_path(.0))]
    TooLarge(PathBuf),
}

/// Reads a component's file.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, ComponentError> {
    let path_of = || path.to_owned();
    inputs::read_file(path, MAX_COMPONENT_BYTES)
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ComponentError::Missing(path_of()),
            io::ErrorKind::IsADirectory => ComponentError::Directory(path_of()),
            _ => ComponentError::Unreadable { path: path_of(), source },
        })
        .and_then(|bytes| match u64::try_from(bytes.len()) {
            Ok(read) if read <= MAX_COMPONENT_BYTES => Ok(bytes),
            _ => Err(ComponentError::TooLarge(path_of())),
        })
}

pub(super) fn read_all(reader: &Reader<'_>, value: &Value<'_>) -> Vec<PluginEntry> {
    let Some(list) = value.get_ref().as_array() else {
        reader.mistake(value.span(), "write [[plugin]], with two brackets: there may be several");
        return Vec::new();
    };
    let mut names: Vec<(String, usize)> = Vec::new();
    list.iter().filter_map(|value| read_one(reader, value, &mut names)).collect()
}

/// Reads one table; `names` are the names so far and where they are.
fn read_one(reader: &Reader<'_>, value: &Value<'_>, names: &mut Vec<(String, usize)>) -> Option<PluginEntry> {
    let table = Table::new(reader, "[[plugin]]", reader.table("plugin", value)?, &KEYS);
    let path = component_path(reader, &table, value);
    let name = name(reader, &table, value, path.as_deref());
    if let Some((name, at)) = &name {
        match names.iter().find(|(other, _)| other == name.as_str()) {
            Some((_, first)) => {
                let (line, _) = reader.line_and_column(*first);
                reader.mistake(
                    *at..*at,
                    format!("a second plugin is named {:?}; the first is on line {line}", name.as_str()),
                );
            }
            None => names.push((name.as_str().to_owned(), *at)),
        }
    }
    let pin = table.get("sha256").map(|v| (reader.parsed("sha256", "a string of 64 hexadecimal digits", v, pin), v));
    let tenants = table.get("tenants").map(|v| tenants(reader, v));
    let limits = table.get("limits").map(|v| limits::read(reader, v)).unwrap_or_default();
    let grants = grants::read(reader, &table, tenants.as_ref().is_some_and(|tenants| tenants.len() == 1));
    let component = component(reader, &table, path.as_deref()?)?;
    if let Some((Some(pin), value)) = pin {
        let actual = hex(&Sha256::digest(&component));
        if actual != pin {
            reader.mistake(value.span(), format!("sha256: the component has {actual}, not the pinned {pin}"));
        }
    }
    let (name, at) = name?;
    Some(PluginEntry { name, path: path?, component, tenants, limits, grants, place: reader.place(at) })
}

fn name(
    reader: &Reader<'_>,
    table: &Table<'_, '_>,
    plugin: &Value<'_>,
    path: Option<&Path>,
) -> Option<(PluginName, usize)> {
    match table.get("name") {
        Some(value) => {
            let name = reader.parsed("name", "a string such as \"memory\"", value, PluginName::new)?;
            Some((name, value.span().start))
        }
        None => {
            let example = path.and_then(|path| name_of(path).ok());
            let example = example.as_ref().map_or("memory", PluginName::as_str);
            reader.mistake(plugin.span(), format!("this plugin has no name: add name = {example:?}"));
            None
        }
    }
}

/// The component's path, relative to the file that names it.
fn component_path(reader: &Reader<'_>, table: &Table<'_, '_>, plugin: &Value<'_>) -> Option<PathBuf> {
    let Some(value) = table.get("component") else {
        let message = "this plugin has no component: add component = \"plugin.wasm\", relative to this file";
        reader.mistake(plugin.span(), message);
        return None;
    };
    let path = reader.string("component", "a path such as \"plugin.wasm\"", value)?;
    Some(inputs::directory_of(reader.path()).join(path))
}

fn component(reader: &Reader<'_>, table: &Table<'_, '_>, path: &Path) -> Option<Vec<u8>> {
    let span = table.get("component").map(Value::span).unwrap_or_default();
    read_component(path).map_err(|error| reader.mistake(span, format!("component: {error}"))).ok()
}

fn tenants(reader: &Reader<'_>, value: &Value<'_>) -> Vec<Arc<str>> {
    let wanted = "a list such as [\"acme\"]";
    let Some(list) = value.get_ref().as_array() else {
        reader.mistake(value.span(), format!("\"tenants\" must be {wanted}"));
        return Vec::new();
    };
    if list.is_empty() {
        reader.mistake(value.span(), "tenants: nobody would be served; leave \"tenants\" out to serve every tenant");
    }
    let tenant = |text: &str| Identity::new(text, "any").validate().map(|()| Arc::from(text));
    list.iter().filter_map(|v| reader.parsed("tenants", "a list of strings", v, tenant)).collect()
}

fn pin(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if let Some(bad) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("{bad:?} is no hexadecimal digit; `sha256sum plugin.wasm` prints the right 64"));
    }
    if digits.len() != 64 {
        return Err(format!(
            "it has {} digits instead of 64; `sha256sum plugin.wasm` prints the right ones",
            digits.len()
        ));
    }
    Ok(digits.to_ascii_lowercase())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
