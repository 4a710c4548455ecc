//! `[[plugin]]`: one plugin's entry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastword_events::{FieldError, Identity, PluginName};
use sha2::{Digest, Sha256};

use super::call_limits::{self, LimitSettings};
use super::grants::{self, GrantSettings};
use super::reader::{Reader, Table, Value};

const KEYS: [&str; 9] =
    ["name", "component", "sha256", "tenants", "limits", "config", "keyvalue", "http", "transcript"];

/// One `[[plugin]]`.
#[derive(Debug)]
pub struct PluginSettings {
    /// Its name.
    pub name: PluginName,
    /// The component's file, for messages.
    pub path: PathBuf,
    /// The content of the file when its pin was checked. This content is run.
    pub component: Vec<u8>,
    /// `None` is every tenant.
    pub tenants: Option<Vec<Arc<str>>>,
    /// The limits of its calls.
    pub limits: LimitSettings,
    /// Its grants.
    pub grants: GrantSettings,
    /// Its place in the configuration, e.g. `lastword.toml:4:8`.
    pub place: String,
}

/// Derives a name from a component's path.
///
/// # Errors
/// When the path has no character that a plugin's name may have.
pub fn name_of(path: &Path) -> Result<PluginName, FieldError> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    PluginName::from_file_stem(&stem)
}

pub(super) fn read_all(reader: &Reader<'_>, value: &Value<'_>) -> Vec<PluginSettings> {
    let Some(list) = value.get_ref().as_array() else {
        reader.mistake(value.span(), "write [[plugin]], with two brackets: there may be several");
        return Vec::new();
    };
    let mut names: Vec<(String, usize)> = Vec::new();
    list.iter().filter_map(|value| read_one(reader, value, &mut names)).collect()
}

/// Reads one table. `names` are the earlier names and their places.
fn read_one(reader: &Reader<'_>, value: &Value<'_>, names: &mut Vec<(String, usize)>) -> Option<PluginSettings> {
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
    let limits = table.get("limits").map(|v| call_limits::read(reader, v)).unwrap_or_default();
    let grants = grants::read(reader, &table, tenants.as_ref().is_some_and(|tenants| tenants.len() == 1));
    let component = component(reader, &table, path.as_deref()?)?;
    if let Some((Some(pin), value)) = pin {
        let actual = format!("{:x}", Sha256::digest(&component));
        if actual != pin {
            reader.mistake(value.span(), format!("sha256: the component has {actual}, not the pinned {pin}"));
        }
    }
    let (name, at) = name?;
    Some(PluginSettings { name, path: path?, component, tenants, limits, grants, place: reader.place(at) })
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

/// Returns the component's path, relative to the file that names it.
fn component_path(reader: &Reader<'_>, table: &Table<'_, '_>, plugin: &Value<'_>) -> Option<PathBuf> {
    let Some(value) = table.get("component") else {
        let message = "this plugin has no component: add component = \"plugin.wasm\", relative to this file";
        reader.mistake(plugin.span(), message);
        return None;
    };
    let path = reader.string("component", "a path such as \"plugin.wasm\"", value)?;
    Some(reader.directory().join(path))
}

fn component(reader: &Reader<'_>, table: &Table<'_, '_>, path: &Path) -> Option<Vec<u8>> {
    let span = table.get("component").map(Value::span).unwrap_or_default();
    reader.component(path).map_err(|error| reader.mistake(span, format!("component: {error}"))).ok()
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
