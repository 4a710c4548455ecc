//! The grant `transcript`: the session's transcript at `/session/transcript`, as a copy that is gone with the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lastword_events::Session;
use lastword_transcript::{TranscriptCopy, TranscriptError, copy_transcript};
use rustix::io::Errno;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::call_context::CallContext;
use crate::lack::{lack, lack_of};
use crate::loaded::Loaded;

/// The guest's directory with the transcript. The file in it is called `transcript`.
const GUEST_DIRECTORY: &str = "/session";

/// Copies the transcript, if the plugin was granted it, can read files, and there is one. If the copy fails, the guest sees no file and
/// the log has the reason. The time counts as the guest's.
///
/// # Errors
/// The resource that the machine lacked. A delivery without its transcript would be settled, so the caller puts such a call back.
pub(crate) async fn copy_for_call<T>(
    context: &CallContext<T>,
    session: &Arc<Session>,
) -> Result<Option<CallTranscript>, Errno> {
    let plugin = &context.plugin;
    let Some(grant) = plugin.grants.transcript.clone() else { return Ok(None) };
    if session.transcript.is_none() || !can_read_files(plugin.imports.iter().map(String::as_str)) {
        return Ok(None);
    }
    // Copies from a file system that hangs keep this one waiting. The call goes on without it.
    let patience = context.meter.deadline() / 4;
    let Ok(permit) = tokio::time::timeout(patience, Arc::clone(&plugin.transcript_copies).acquire_owned()).await else {
        absent(plugin, session, "busy", "too many are being copied for this plugin");
        return Ok(None);
    };
    let Ok(permit) = permit else { return Ok(None) };
    let cancelled = Cancelled::default();
    let (host, theirs, stop) = (Arc::clone(&plugin.host), Arc::clone(session), Arc::clone(&cancelled.0));
    let copied = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let uri = theirs.transcript.as_ref().map_or("", |transcript| transcript.uri.as_str());
        let root = grant.root.for_tenant(&theirs.identity.tenant)?;
        let during = "make a directory for copies of transcripts";
        let scratch = host.scratch().map_err(|source| TranscriptError::Io { during, source })?;
        copy_transcript(&scratch, &root, uri, grant.max, &stop)
    });
    let why = match copied.await {
        Ok(Ok(copy)) => return Ok(Some(CallTranscript(Some(copy)))),
        Ok(Err(TranscriptError::Cancelled)) => return Ok(None),
        Ok(Err(error)) => match lack_of(&error) {
            Some(what) => return Err(what),
            None => (error.name(), with_source(&error)),
        },
        Err(error) => ("io", error.to_string()),
    };
    absent(plugin, session, why.0, &why.1);
    Ok(None)
}

/// Whether a plugin with these imports could read the transcript.
pub(crate) fn can_read_files<'n>(mut imports: impl Iterator<Item = &'n str>) -> bool {
    imports.any(|name| name.starts_with("wasi:filesystem/"))
}

fn absent<T>(plugin: &Loaded<T>, session: &Session, why: &str, detail: &str) {
    tracing::warn!(
        plugin = plugin.name.as_str(),
        tenant = &*session.identity.tenant,
        session = &*session.identity.id,
        why,
        "the plugin sees no transcript: {detail}"
    );
}

fn with_source(error: &TranscriptError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The copy that a call holds.
pub(crate) struct CallTranscript(Option<TranscriptCopy>);

impl Drop for CallTranscript {
    /// Removes the copy on another thread, because that can take milliseconds and the thread that drops a call has others to run. If the
    /// process exits first, the next one that opens the directory removes the file.
    fn drop(&mut self) {
        let copy = self.0.take();
        match tokio::runtime::Handle::try_current() {
            Ok(tokio) => drop(tokio.spawn_blocking(move || drop(copy))),
            Err(_) => drop(copy),
        }
    }
}

/// Puts the copy into the guest's directory. Gives the resource that the machine lacked, if the guest cannot see the file for that
/// reason.
pub(crate) fn show(transcript: &CallTranscript, session: &Session, ctx: &mut WasiCtxBuilder) -> Option<Errno> {
    let error = ctx.preopened_dir(transcript.0.as_ref()?.dir(), GUEST_DIRECTORY, FsPerms::ReadOnly).err()?;
    let lacked = lack(error.chain());
    if lacked.is_none() {
        tracing::warn!(
            session = &*session.identity.id,
            error = format!("{error:#}"),
            "the copied transcript is not there"
        );
    }
    lacked
}

/// Stops the copying when the call is cut.
#[derive(Default)]
struct Cancelled(Arc<AtomicBool>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
