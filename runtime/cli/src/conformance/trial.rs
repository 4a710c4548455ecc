//! Makes the test calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use lastword::{CallReport, Limits, Plugin, Sandbox};
use lastword_events::{HookCall, PluginName};
use lastword_sandbox::{AllowList, Destination, Grant, Grants, KeyValueGrant, LoadError};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::cases::{self, Case, HURRY, Kind};
use super::judge::{CaseResult, Tried};
use crate::args::{CacheArgs, TestArgs};
use crate::calls::output::GuestOutput;
use crate::calls::sample;
use crate::calls::stored::Store;
use crate::exit::Failure;
use crate::plugins;
use crate::threads;
use lastword_events::text::printable_path;

/// A quota that fits no key: a key counts 64 bytes at least.
const NO_ROOM: u64 = 1;
/// An address that no host has (RFC 5737), so no plugin asks for it.
const NOWHERE: &str = "http://192.0.2.1";
/// Files that are searched for a transcript.
const MAX_FILES: usize = 10_000;

/// A plugin, loaded with all of its grants and without each one.
pub(super) struct Trial {
    sandbox: Sandbox,
    plugin: Plugin,
    without: BTreeMap<Grant, Plugin>,
    /// Why the plugin cannot be loaded without grants. `None`: it can.
    ungranted: Option<LoadError>,
    transcript: Option<PathBuf>,
    printed: GuestOutput,
    tokio: Runtime,
    _cache: Option<TempDir>,
}

impl Trial {
    /// Loads the plugin.
    ///
    /// # Errors
    /// When the plugin cannot be loaded.
    pub(super) fn begin(args: &TestArgs, printed: GuestOutput) -> Result<Self, Failure> {
        let grants = args.grants.grants()?;
        let entry = plugins::from_path(&args.plugin, args.limits.limits(), grants.clone())?;
        // The plugin is loaded several times but compiled once.
        let kept = args.cache.no_cache.then(tempfile::tempdir).transpose().map_err(Failure::internal)?;
        let cache = CacheArgs {
            cache_dir: kept.as_ref().map(|dir| dir.path().to_owned()).or_else(|| args.cache.cache_dir.clone()),
            no_cache: false,
        };
        let sandbox = plugins::sandbox(&cache, std::slice::from_ref(&entry))?;
        let (name, limits) = (entry.name.clone(), entry.limits);
        let source = lastword::Source::Bytes(entry.component.clone());
        let plugin = plugins::load(&sandbox, entry)?;
        let load = |grants| sandbox.load_with(name.clone(), &source, limits, grants);
        let mut without = BTreeMap::new();
        for grant in granted(&grants) {
            without.insert(grant, load(taken_away(&grants, grant)).map_err(Failure::internal)?);
        }
        let ungranted = load(Grants::default()).err();
        let tokio = threads::local_runtime()?;
        let transcript = transcript(&grants).map_err(Failure::usage)?;
        Ok(Self { plugin, without, ungranted, transcript, printed, tokio, _cache: kept, sandbox: sandbox.clone() })
    }

    pub(super) fn name(&self) -> &PluginName {
        self.plugin.name()
    }

    pub(super) fn limits(&self) -> &Limits {
        self.plugin.limits()
    }

    pub(super) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    pub(super) fn ungranted(&self) -> Option<&LoadError> {
        self.ungranted.as_ref()
    }

    /// Runs every case, and calls `tell` after each.
    ///
    /// # Errors
    /// The errors of `tell`.
    pub(super) fn run(
        &self,
        mut tell: impl FnMut(&CaseResult) -> Result<(), Failure>,
    ) -> Result<Vec<CaseResult>, Failure> {
        let granted: Vec<Grant> = self.without.keys().copied().collect();
        let mut results = Vec::new();
        for mut case in cases::all(self.plugin.hooks().iter(), self.name(), &granted) {
            self.fill_in(&mut case.call);
            let result = self.try_out(case);
            tell(&result)?;
            results.push(result);
        }
        Ok(results)
    }

    /// Makes each call twice, to see whether the result is the same.
    fn try_out(&self, case: Case) -> CaseResult {
        let plugin = match case.kind {
            Kind::Without(grant) => self.without.get(&grant).unwrap_or(&self.plugin),
            _ => &self.plugin,
        };
        let store = Arc::new(Store::default());
        let first = self.call(plugin, &case, case.call.clone(), &store);
        let second = if case.kind == Kind::Again {
            store.apply(&first.report.changes);
            let mut again = case.call.clone();
            again.delivery.attempt += 1;
            self.call(plugin, &case, again, &store)
        } else {
            self.call(plugin, &case, case.call.clone(), &Arc::new(Store::default()))
        };
        CaseResult::new(case, first, second)
    }

    fn call(&self, plugin: &Plugin, case: &Case, mut call: HookCall, store: &Arc<Store>) -> Tried {
        let deadline = if case.kind == Kind::Hurried { HURRY } else { plugin.limits().deadline };
        call.delivery.remaining_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        let report: CallReport = self
            .tokio
            .block_on(async { self.sandbox.call(plugin, call, deadline).with_key_values(store.clone()).await });
        let printed = self.printed.take().into_iter().map(|printed| printed.line).collect();
        Tried { report, printed }
    }

    /// Sets a readable transcript, if there is one.
    fn fill_in(&self, call: &mut HookCall) {
        if let Some(path) = &self.transcript
            && call.session.transcript == sample::session().transcript
        {
            let mut session = (*call.session).clone();
            if let Some(transcript) = &mut session.transcript {
                transcript.uri = path.display().to_string();
            }
            call.session = Arc::new(session);
        }
    }
}

fn granted(grants: &Grants) -> impl Iterator<Item = Grant> {
    [Grant::Config, Grant::KeyValue, Grant::Http, Grant::Transcript].into_iter().filter(|grant| grants.has(*grant))
}

/// Returns the grants with one of them made useless: without settings, room, address or file.
fn taken_away(grants: &Grants, grant: Grant) -> Grants {
    let mut left = grants.clone();
    match grant {
        Grant::Config => left.config = Some(BTreeMap::new()),
        Grant::KeyValue => left.key_value = Some(KeyValueGrant { quota: NO_ROOM }),
        Grant::Http => left.http = Some(NOWHERE.parse::<Destination>().into_iter().collect::<AllowList>()),
        _ => left.transcript = None,
    }
    left
}

/// Returns the first file below the root for the sample's tenant, in the order of paths.
fn transcript(grants: &Grants) -> anyhow::Result<Option<PathBuf>> {
    let Some(grant) = &grants.transcript else { return Ok(None) };
    let root = grant.root.for_tenant(&sample::session().identity.tenant).context("--grant-transcript")?.path();
    let mut files = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let entries =
            folder.read_dir().with_context(|| format!("cannot list {} for a transcript", printable_path(&folder)))?;
        for entry in entries.take(MAX_FILES).filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && files.len() < MAX_FILES => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => (),
            }
        }
    }
    Ok(files.into_iter().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise the case would be an ordinary one again.
    #[test]
    fn without_its_http_a_plugin_reaches_no_address_of_its_own_and_keeps_the_rest() {
        let own: Destination = "http://127.0.0.1:37777".parse().unwrap();
        let http = Some(std::iter::once(own.clone()).collect::<AllowList>());
        let whole = Grants { http, key_value: Some(KeyValueGrant { quota: 1 << 20 }), ..Grants::default() };
        let left = taken_away(&whole, Grant::Http);
        // HTTP is still granted: otherwise the plugin could not be loaded.
        assert!(left.http.as_ref().is_some_and(|list| !list.permits(&own)));
        assert_eq!(left.key_value, whole.key_value);
    }
}
