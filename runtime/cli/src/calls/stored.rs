//! Key-value storage of calls by hand: in memory, for as long as the command runs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Bound;

use lastword_events::{PluginName, key_value_bytes, key_value_number};
use lastword_sandbox::{Change, KeyValueError, KeyValueUsage, KeyValues};
use parking_lot::Mutex;

use crate::limits::{MAX_SHOWN_KEYS, MAX_SHOWN_VALUE_CHARS};
use lastword_config::units::show_bytes;
use lastword_events::text::{clip_chars, quoted};

/// One plugin's space, empty at first.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<BTreeMap<String, Vec<u8>>>);

impl Store {
    /// Applies a call's writes, so that the next call sees them.
    pub(crate) fn apply(&self, changes: &[(String, Change)]) {
        let mut values = self.0.lock();
        for (key, change) in changes {
            match change {
                Change::Set(value) => drop(values.insert(key.clone(), value.clone())),
                Change::Delete => drop(values.remove(key)),
                Change::Add(delta) => {
                    let old = values.get(key).and_then(|value| key_value_number(value)).unwrap_or(0);
                    values.insert(key.clone(), old.saturating_add(*delta).to_string().into_bytes());
                }
            }
        }
    }
}

impl KeyValues for Store {
    fn get(&self, _: &str, _: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.0.lock().get(key).cloned())
    }

    fn keys(&self, _: &str, _: &PluginName, after: Option<&str>, most: usize) -> Result<Vec<String>, KeyValueError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.0.lock().range::<str, _>((from, Bound::Unbounded)).take(most).map(|(key, _)| key.clone()).collect())
    }

    fn usage(&self, _: &str, _: &PluginName) -> Result<KeyValueUsage, KeyValueError> {
        let bytes = self.0.lock().iter().map(|(key, value)| key_value_bytes(key, value)).sum();
        Ok(KeyValueUsage { bytes, tenant_left: None })
    }
}

/// Prints a line for each key, next to the label `stored`. A failed call has written nothing.
pub(crate) fn show(out: &mut impl Write, changes: &[(String, Change)]) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "  stored  (nothing)");
    }
    for (number, (key, change)) in changes.iter().take(MAX_SHOWN_KEYS).enumerate() {
        let label = if number == 0 { "stored" } else { "" };
        writeln!(out, "  {label:6}  {}{}", quoted(key), shown(change))?;
    }
    match changes.len().saturating_sub(MAX_SHOWN_KEYS) {
        0 => Ok(()),
        more => writeln!(out, "          (and {more} more keys)"),
    }
}

fn shown(change: &Change) -> String {
    match change {
        // The store was empty.
        Change::Add(number) => format!(" = {number} (counted up)"),
        Change::Delete => " deleted".to_owned(),
        Change::Set(value) => match std::str::from_utf8(value) {
            Ok(text) => format!(" = {:?}", clip_chars(text, MAX_SHOWN_VALUE_CHARS)),
            Err(_) => format!(" = {} that are no text", show_bytes(u64::try_from(value.len()).unwrap_or(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_keys_and_values_are_cut_and_cannot_drive_the_terminal() {
        let mut changes = vec![
            ("\x1b[2J".to_owned(), Change::Set(b"a\nb".to_vec())),
            ("bin".to_owned(), Change::Set(vec![0xff; 2048])),
            ("ends".to_owned(), Change::Add(1)),
            ("long".to_owned(), Change::Set(vec![b'x'; 1 << 20])),
            ("old".to_owned(), Change::Delete),
        ];
        changes.extend((0..MAX_SHOWN_KEYS).map(|n| (format!("z{n}"), Change::Add(1))));
        let mut out = Vec::new();
        show(&mut out, &changes).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"  stored  "\u{1b}[2J" = "a\nb""#);
        assert_eq!(lines[1], r#"          "bin" = 2.0 KiB that are no text"#);
        assert_eq!(lines[2], r#"          "ends" = 1 (counted up)"#);
        assert!(lines[3].ends_with("x…\"") && lines[3].chars().count() < 300, "{}", lines[3]);
        assert_eq!(lines[4], r#"          "old" deleted"#);
        assert_eq!(lines.last().unwrap(), &"          (and 5 more keys)");
    }
}
