//! A hostile guest with what it needs to be at its worst: grants, a server, a transcript.

use std::path::PathBuf;
use std::sync::OnceLock;

use lastword::events::{Session, Transcript};
use lastword::{Grants, KeyValueGrant, TranscriptGrant};
use lastword_harness::{Harness, HarnessBuilder};

use crate::servers;
use crate::table::Row;

/// What is granted to it: everything that its name says it is after.
pub(crate) fn grants(row: &Row) -> Grants {
    let mut grants = Grants::default();
    if row.guest.starts_with("http-") {
        let url = format!("http://{}", servers::authority(row.server.unwrap_or("good")));
        grants.http = Some([url.parse().expect("a loopback address")].into_iter().collect());
    }
    if row.guest.starts_with("kv-") {
        grants.key_value = Some(KeyValueGrant { quota: 1 << 20 });
    }
    if row.guest.starts_with("transcript-") {
        let root = transcripts().display().to_string().parse().expect("an absolute path");
        grants.transcript = Some(TranscriptGrant { root, max: 1 << 20 });
    }
    grants
}

/// Installs it under its own name.
pub(crate) fn install(harness: HarnessBuilder, row: &Row) -> HarnessBuilder {
    harness.granted(row.guest, lastword_test_guests::component(row.guest), grants(row))
}

/// A session that names the row's server and a transcript.
pub(crate) fn session(harness: &Harness, row: &Row, id: &str) -> Session {
    let mut session = harness.session(id);
    session.key = Some(servers::authority(row.server.unwrap_or("good")));
    session.agent_id = Some("/end".to_owned());
    let uri = transcripts().join("s.jsonl").display().to_string();
    session.transcript = Some(Transcript { uri, archived: false });
    session
}

/// A directory with one transcript in it, for the whole process.
fn transcripts() -> PathBuf {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("s.jsonl"), "{}\n".repeat(1000)).expect("a file in it");
        dir
    });
    dir.path().to_owned()
}
