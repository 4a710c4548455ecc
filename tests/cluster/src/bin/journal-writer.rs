//! `journal-writer SERVERS MONITORING PASSWORD JOURNAL begin|take-over` has a journal, and starts sessions until it loses it. Lists are with
//! commas. It writes a line for each thing that happens:
//!
//! - `found ID` for each session that the journal had,
//! - `ready`, once it writes,
//! - `recorded ID` for each session that it was told is on record,
//! - `ended WHY`, once the journal takes nothing more.

#![cfg_attr(target_os = "linux", expect(clippy::print_stdout, reason = "the test reads it"))]

fn main() {
    #[cfg(target_os = "linux")]
    linux::run();
}

#[cfg(target_os = "linux")]
mod linux {
    #![expect(clippy::unwrap_used, reason = "a writer that cannot write says why and fails")]

    use std::path::Path;
    use std::sync::Arc;

    use lastword_cluster_tests::{APPLICATION, Load, settings};
    use lastword_events::JournalName;
    use lastword_jetstream::{Cluster, JetStreamJournal};
    use lastword_journal::Journal;

    #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
    pub(crate) async fn run() {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [servers, monitoring, password, journal, how] = <[String; 5]>::try_from(words).unwrap();
        let list = |words: &str| words.split(',').map(str::to_owned).collect();
        let settings = settings(list(&servers), list(&monitoring), APPLICATION, Path::new(&password));
        let node = format!("writer-{}", std::process::id());
        let cluster = Cluster::new(settings, &node).unwrap();
        let name: JournalName = journal.parse().unwrap();
        let journal = match how.as_str() {
            "begin" => JetStreamJournal::begin(&cluster, name),
            _ => JetStreamJournal::take_over(&cluster, name),
        };
        let journal = Arc::new(journal.unwrap());
        for session in journal.recover().unwrap().sessions {
            println!("found {}", session.session.identity.id);
        }
        println!("ready");
        let load = Load::begin(&journal, &node, |id| println!("recorded {id}"));
        load.wait().await;
        let ended = journal.ended().borrow().clone();
        println!("ended {}", ended.map_or_else(|| "by itself".to_owned(), |ended| ended.to_string()));
    }
}
