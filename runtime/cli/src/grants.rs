//! The grants of a plugin, as options of the command line.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::Args;
use lastword_config::limits::{DEFAULT_KEY_VALUE_QUOTA, DEFAULT_TRANSCRIPT_BYTES, KEY_VALUE_QUOTA};
use lastword_config::units::{self, UnitError};
use lastword_config::{check_config, check_destinations, destination};
use lastword_sandbox::{AllowList, Destination, Grants, KeyValueGrant, Root, TranscriptGrant};

use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Grants (nothing by default)")]
pub(crate) struct GrantArgs {
    /// wasi:config has this pair; may be given several times
    #[arg(long = "grant-config", value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,

    /// wasi:keyvalue is there, with room for so many bytes of keys and values [default: 1MiB]
    #[arg(
        long = "grant-keyvalue",
        value_name = "SIZE",
        num_args = 0..=1,
        require_equals = true,
        value_parser = key_value_quota,
    )]
    key_value: Option<Option<u64>>,

    /// wasi:http reaches this scheme, host and port; may be given several times
    #[arg(long = "grant-http", value_name = "URL", value_parser = destination)]
    http: Vec<Destination>,

    /// The session's transcript is at /session/transcript if it is a file below this directory, which may have {tenant}
    /// in it
    #[arg(long = "grant-transcript", value_name = "ROOT")]
    transcript: Option<Root>,
}

impl GrantArgs {
    /// Returns all grants.
    ///
    /// # Errors
    /// When a grant exceeds its limit.
    pub(crate) fn grants(&self) -> Result<Grants, Failure> {
        let config: BTreeMap<String, String> = self.config.iter().cloned().collect();
        let wrong = |flag: &str, what: String| Failure::usage(anyhow!("{flag}: {what}"));
        check_config(&config).map_err(|what| wrong("--grant-config", what))?;
        check_destinations(self.http.len()).map_err(|what| wrong("--grant-http", what))?;
        let some = |list: AllowList| (!list.is_empty()).then_some(list);
        Ok(Grants {
            config: (!config.is_empty()).then_some(config),
            key_value: self.key_value.map(|quota| KeyValueGrant { quota: quota.unwrap_or(DEFAULT_KEY_VALUE_QUOTA) }),
            http: some(self.http.iter().cloned().collect()),
            transcript: self.transcript.clone().map(|root| TranscriptGrant { root, max: DEFAULT_TRANSCRIPT_BYTES }),
        })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("write {text}=VALUE"))?;
    if name.is_empty() {
        return Err(format!("the name is missing: write KEY{text}"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn key_value_quota(text: &str) -> Result<u64, UnitError> {
    units::size(text, &KEY_VALUE_QUOTA)
}
