//! The grants in a plugin's entry.

use std::collections::BTreeMap;

use lastword_egress::{AllowList, Destination};
use lastword_transcript::Root;
use toml::de::DeValue;

use super::reader::{Reader, Table, Value};
use crate::limits::{
    DEFAULT_KEY_VALUE_QUOTA, DEFAULT_TRANSCRIPT_BYTES, KEY_VALUE_QUOTA, MAX_GRANTED_CONFIG_BYTES,
    MAX_HTTP_DESTINATIONS, TRANSCRIPT,
};

/// A plugin's grants; `None` means not granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantSettings {
    /// `config`: the pairs of `wasi:config`.
    pub config: Option<BTreeMap<String, String>>,
    /// `keyvalue`: bytes of the keys and values of one space.
    pub key_value_quota: Option<u64>,
    /// `http`: the granted destinations.
    pub http: Option<AllowList>,
    /// `transcript`: the transcripts that the plugin can read.
    pub transcript: Option<TranscriptSettings>,
}

/// `transcript`: the transcripts that a plugin can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptSettings {
    /// The directory above the transcripts.
    pub root: Root,
    /// The largest part of a transcript that a guest sees, in bytes.
    pub max: u64,
}

/// Reads a plugin's grants. `one_tenant`: the plugin serves a single tenant.
pub(super) fn read(reader: &Reader<'_>, plugin: &Table<'_, '_>, one_tenant: bool) -> GrantSettings {
    GrantSettings {
        config: plugin.get("config").and_then(|value| config(reader, value)),
        key_value_quota: plugin.get("keyvalue").and_then(|value| key_value(reader, value)),
        http: plugin.get("http").and_then(|value| http(reader, value)),
        transcript: plugin.get("transcript").and_then(|value| transcript(reader, value, one_tenant)),
    }
}

fn config(reader: &Reader<'_>, value: &Value<'_>) -> Option<BTreeMap<String, String>> {
    let wanted = "a table such as { greeting = \"hello\" }";
    let table = reader.shaped("config", wanted, value, DeValue::as_table)?;
    let mut pairs = BTreeMap::new();
    for (name, value) in table {
        let name = name.get_ref();
        // A number has several notations, and a guest gets text.
        let wanted = match value.get_ref() {
            DeValue::Integer(number) => format!("a string, such as \"{number}\""),
            DeValue::Float(number) => format!("a string, such as \"{number}\""),
            DeValue::Boolean(truth) => format!("a string, such as \"{truth}\""),
            _ => "a string".to_owned(),
        };
        if let Some(text) = reader.string(&format!("config.{name}"), &wanted, value) {
            pairs.insert(name.to_string(), text.to_owned());
        }
    }
    reader.checked("config", value, check_config(&pairs));
    Some(pairs)
}

fn key_value(reader: &Reader<'_>, value: &Value<'_>) -> Option<u64> {
    let table = reader.shaped("keyvalue", "a table such as { quota = \"1MiB\" }", value, DeValue::as_table)?;
    let table = Table::new(reader, "keyvalue", table, &["quota"]);
    let quota = table.get("quota").and_then(|v| reader.size("quota", v, &KEY_VALUE_QUOTA));
    Some(quota.unwrap_or(DEFAULT_KEY_VALUE_QUOTA))
}

fn http(reader: &Reader<'_>, value: &Value<'_>) -> Option<AllowList> {
    let wanted = "a list such as [\"https://api.example.com\"]";
    let list = reader.shaped("http", wanted, value, DeValue::as_array)?;
    reader.checked("http", value, check_destinations(list.len()));
    Some(list.iter().filter_map(|v| reader.parsed("http", "a list of strings", v, destination)).collect())
}

fn transcript(reader: &Reader<'_>, value: &Value<'_>, one_tenant: bool) -> Option<TranscriptSettings> {
    let wanted = "a table such as { root = \"/var/lib/agents/{tenant}\" }";
    let table = reader.shaped("transcript", wanted, value, DeValue::as_table)?;
    let table = Table::new(reader, "transcript", table, &["root", "max"]);
    let max = table.get("max").and_then(|v| reader.size("max", v, &TRANSCRIPT)).unwrap_or(DEFAULT_TRANSCRIPT_BYTES);
    let Some(value) = table.get("root") else {
        reader.mistake(value.span(), "transcript has no root: add root = \"/var/lib/agents/{tenant}\"");
        return None;
    };
    let root: Root = reader.parsed("root", "a string such as \"/var/lib/agents/{tenant}\"", value, str::parse)?;
    if !root.is_per_tenant() && !one_tenant {
        let message = format!(
            "root: each tenant could be shown the transcripts of the others: put {{tenant}} where their directories \
             part, as in \"{root}/{{tenant}}\", or give the plugin one tenant"
        );
        reader.mistake(value.span(), message);
    }
    Some(TranscriptSettings { root, max })
}

/// Parses scheme, host and port of `http`.
///
/// # Errors
/// When the text is no destination, or one that can never be reached.
pub fn destination(text: &str) -> Result<Destination, String> {
    let destination: Destination = text.parse().map_err(|error| format!("{error}"))?;
    let host = destination.host().to_string();
    if host == "localhost" || host.ends_with(".localhost") {
        let (scheme, port) = (destination.scheme(), destination.port());
        return Err(format!(
            "\"{destination}\" would be refused at every call, because a name must not lead to this machine: write the \
             address, \"{scheme}://127.0.0.1:{port}\""
        ));
    }
    Ok(destination)
}

/// Refuses a `config` that is too large.
///
/// # Errors
/// With its size and the bound.
pub fn check_config(pairs: &BTreeMap<String, String>) -> Result<(), String> {
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_GRANTED_CONFIG_BYTES {
        return Err(format!("it has {bytes} bytes of names and values, the most is {MAX_GRANTED_CONFIG_BYTES}"));
    }
    Ok(())
}

/// Refuses an `http` that is too long.
///
/// # Errors
/// With its length and the bound.
pub fn check_destinations(count: usize) -> Result<(), String> {
    if count > MAX_HTTP_DESTINATIONS {
        return Err(format!("it names {count} destinations, the most is {MAX_HTTP_DESTINATIONS}"));
    }
    Ok(())
}
