use std::collections::BTreeMap;

use lastword_sandbox::{AllowList, Grants, KeyValueGrant, Root, TranscriptGrant};
use toml::de::DeValue;

use super::reader::{Reader, Table, Value};
use crate::grants::{check_config, check_destinations, destination};
use crate::limits::{DEFAULT_KEY_VALUE_QUOTA, DEFAULT_TRANSCRIPT_BYTES, KEY_VALUE_QUOTA, TRANSCRIPT};

/// What a plugin is granted. `one_tenant`: it serves one tenant and no other.
pub(super) fn read(reader: &Reader<'_>, plugin: &Table<'_, '_>, one_tenant: bool) -> Grants {
    Grants {
        config: plugin.get("config").and_then(|value| config(reader, value)),
        key_value: plugin.get("keyvalue").and_then(|value| key_value(reader, value)),
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
        // Numbers could be written in several ways, and a guest gets texts.
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

fn key_value(reader: &Reader<'_>, value: &Value<'_>) -> Option<KeyValueGrant> {
    let table = reader.shaped("keyvalue", "a table such as { quota = \"1MiB\" }", value, DeValue::as_table)?;
    let table = Table::new(reader, "keyvalue", table, &["quota"]);
    let quota = table.get("quota").and_then(|v| reader.size("quota", v, &KEY_VALUE_QUOTA));
    Some(KeyValueGrant { quota: quota.unwrap_or(DEFAULT_KEY_VALUE_QUOTA) })
}

fn http(reader: &Reader<'_>, value: &Value<'_>) -> Option<AllowList> {
    let wanted = "a list such as [\"https://api.example.com\"]";
    let list = reader.shaped("http", wanted, value, DeValue::as_array)?;
    reader.checked("http", value, check_destinations(list.len()));
    Some(list.iter().filter_map(|v| reader.parsed("http", "a list of strings", v, destination)).collect())
}

fn transcript(reader: &Reader<'_>, value: &Value<'_>, one_tenant: bool) -> Option<TranscriptGrant> {
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
    Some(TranscriptGrant { root, max })
}
