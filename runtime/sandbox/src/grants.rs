//! The capabilities that an operator gives a plugin, beyond those of every plugin. The default grants none.

pub(crate) mod config;
#[cfg(feature = "http")]
pub(crate) mod http;
pub(crate) mod key_value;
pub(crate) mod transcript;

use std::collections::BTreeMap;
use std::fmt;

#[cfg(feature = "http")]
use lastword_egress::AllowList;
use lastword_transcript::Root;

/// A capability that the operator gives a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// `wasi:config`.
    Config,
    /// `wasi:keyvalue`.
    KeyValue,
    /// `wasi:http`.
    Http,
    /// The session's transcript, through `wasi:filesystem`.
    Transcript,
}

impl Grant {
    /// Its key in a configuration: `config`, `keyvalue`, `http` or `transcript`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::KeyValue => "keyvalue",
            Self::Http => "http",
            Self::Transcript => "transcript",
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All grants of one plugin. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// `wasi:config/store` has these pairs.
    pub config: Option<BTreeMap<String, String>>,
    /// `wasi:keyvalue` has a space for each (tenant, plugin).
    pub key_value: Option<KeyValueGrant>,
    /// `wasi:http/outgoing-handler` reaches these destinations.
    #[cfg(feature = "http")]
    pub http: Option<AllowList>,
    /// The session's transcript is at `/session/transcript`, read-only.
    pub transcript: Option<TranscriptGrant>,
}

/// Key-value storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValueGrant {
    /// Bytes of all keys and values in one space.
    pub quota: u64,
}

/// The session's transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptGrant {
    /// Only files below it are copied for the guest.
    pub root: Root,
    /// The most bytes of a transcript that a guest sees.
    pub max: u64,
}

impl Grants {
    /// Whether the plugin has `grant`.
    #[must_use]
    pub fn has(&self, grant: Grant) -> bool {
        match grant {
            Grant::Config => self.config.is_some(),
            Grant::KeyValue => self.key_value.is_some(),
            #[cfg(feature = "http")]
            Grant::Http => self.http.is_some(),
            #[cfg(not(feature = "http"))]
            Grant::Http => false,
            Grant::Transcript => self.transcript.is_some(),
        }
    }
}
