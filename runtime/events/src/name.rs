//! Names of plugins and journals.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::FieldError;
use crate::limits::MAX_PLUGIN_NAME_BYTES;

/// A plugin's name: `[a-z0-9-]`, 1 to 64 bytes. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(Arc<str>);

impl PluginName {
    /// Takes `name` if it is a plugin name.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character other than `a`–`z`, `0`–`9` and `-`.
    pub fn new(name: &str) -> Result<Self, FieldError> {
        let fits = (1..=MAX_PLUGIN_NAME_BYTES).contains(&name.len());
        if fits && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Ok(Self(name.into()));
        }
        Err(FieldError::new(
            "name",
            "bad_plugin_name",
            format!("{name:?} cannot name a plugin: use 1 to {MAX_PLUGIN_NAME_BYTES} of a-z, 0-9 and -"),
        ))
    }

    /// Derives a name from a component's file: `out/Rust_Session_Log.wasm` gives `rust-session-log`.
    ///
    /// # Errors
    /// When no character of the file's stem can be used.
    pub fn from_file_stem(stem: &str) -> Result<Self, FieldError> {
        let name: String = stem
            .chars()
            .map(|c| match c.to_ascii_lowercase() {
                c @ ('a'..='z' | '0'..='9') => c,
                _ => '-',
            })
            .take(MAX_PLUGIN_NAME_BYTES)
            .collect();
        Self::new(name.trim_matches('-'))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PluginName {
    type Err = FieldError;
    fn from_str(text: &str) -> Result<Self, FieldError> {
        Self::new(text)
    }
}

/// A journal's random name: 8 characters of `[a-z0-9]`. It makes delivery ids unique even after a lost file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalName([u8; Self::LEN]);

impl JournalName {
    /// Characters in a name. 36⁸ ≈ 2.8 × 10¹² names: two journals of one fleet will not share one by chance.
    pub const LEN: usize = 8;
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

    /// Makes a name out of random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; Self::LEN]) -> Self {
        // 256 is no multiple of 36, so the first four characters are slightly more likely, which costs 0.02 bits of 41.
        Self(bytes.map(|b| Self::ALPHABET.get(usize::from(b) % Self::ALPHABET.len()).copied().unwrap_or(b'a')))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for JournalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for JournalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalName({self})")
    }
}

impl FromStr for JournalName {
    type Err = FieldError;
    fn from_str(text: &str) -> Result<Self, FieldError> {
        <[u8; Self::LEN]>::try_from(text.as_bytes())
            .ok()
            .filter(|bytes| bytes.iter().all(|b| Self::ALPHABET.contains(b)))
            .map(Self)
            .ok_or_else(|| {
                FieldError::new("journal", "bad_journal_name", format!("{text:?} is not 8 characters of a-z and 0-9"))
            })
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}
serde_as_text!(PluginName);
serde_as_text!(JournalName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_names_are_checked() {
        assert!(PluginName::new("memory-2").is_ok());
        for bad in ["", "Memory", "a_b", "a/b", "ü", &"x".repeat(65)] {
            let error = PluginName::new(bad).unwrap_err();
            assert_eq!(error.code, "bad_plugin_name", "{bad}");
        }
    }

    #[test]
    fn a_file_gives_its_plugin_a_name() {
        assert_eq!(PluginName::from_file_stem("Rust_Session_Log").unwrap().as_str(), "rust-session-log");
        assert!(PluginName::from_file_stem("___").is_err());
    }

    #[test]
    fn journal_names_have_eight_characters_whatever_the_bytes() {
        let name = JournalName::from_random([0, 35, 36, 71, 128, 200, 254, 255]);
        assert_eq!(name.as_str().len(), 8);
        assert_eq!(name.as_str().parse::<JournalName>().unwrap(), name);
    }
}
