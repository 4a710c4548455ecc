//! A process that may open no more files. A program of its own: its limit is that of all of its threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![cfg(target_os = "linux")]

mod common;

use std::time::Instant;

use common::{LONG, call, generous, load_with};
use lastword_events::{Deferral, EndReason, Event, Outcome, Session, SessionEnd, Timestamp, Transcript};
use lastword_sandbox::limits::LACK_PAUSE;
use lastword_sandbox::{Grants, Sandbox, SandboxConfig, TranscriptGrant};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Standard input, output and error are open.
const NONE_LEFT: u64 = 3;

#[tokio::test]
async fn a_call_whose_transcript_cannot_be_opened_for_want_of_files_is_put_back_and_reads_it_later() {
    let (root, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = root.path().join("s1.jsonl");
    std::fs::write(&file, "{\"role\":\"user\"}").unwrap();
    let config = SandboxConfig {
        max_concurrent_calls: Some(4),
        scratch_dir: Some(scratch.path().to_owned()),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::new(config).unwrap();
    let root = root.path().to_str().unwrap().parse().unwrap();
    let grants = Grants { transcript: Some(TranscriptGrant { root, max: 1 << 20 }), ..Grants::default() };
    let reads = load_with(&sandbox, "transcript-reads", generous(), grants);
    let end = || {
        let mut session = Session::new("acme", "s1");
        session.transcript = Some(Transcript { uri: file.to_str().unwrap().to_owned(), archived: false });
        call(session, Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())), 1)
    };
    // What is opened once for the process is open now.
    assert_eq!(sandbox.call(&reads, end(), LONG).await.outcome, Outcome::Delivered);

    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(NONE_LEFT), ..usual }).unwrap();
    let began = Instant::now();
    let report = sandbox.call(&reads, end(), LONG).await;
    setrlimit(Resource::Nofile, usual).unwrap();
    assert_eq!(report.outcome, Outcome::Deferred(Deferral::Turn));
    assert!(began.elapsed() >= LACK_PAUSE, "{:?}", began.elapsed());
    assert_eq!(sandbox.call(&reads, end(), LONG).await.outcome, Outcome::Delivered);
}
