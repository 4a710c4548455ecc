//! The property of a journal's rows that somebody has written over.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use lastword_events::{
    EndReason, Event, EventKey, FailureCause, PluginName, Session, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{Appended, Completion, DeliveryKey, Journal, JournalOp, Receipt, Settlement};
use lastword_sqlite::{JournalFile, SqliteJournal};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

/// In memory, where there is such a folder: a commit takes no time there.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// A journal with a session that is active, one whose end is owed, and one whose end a drain has tried.
fn journal() -> &'static [u8] {
    static JOURNAL: OnceLock<Vec<u8>> = OnceLock::new();
    JOURNAL.get_or_init(|| {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio.block_on(fill(&path));
        fs::read(path).unwrap()
    })
}

async fn fill(path: &Path) {
    let journal = SqliteJournal::open(path).unwrap();
    journal.recover().unwrap();
    let plugin = || PluginName::new("memory").unwrap();
    let mut begun = Vec::new();
    for id in ["active", "ended", "drained"] {
        let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
        let start = JournalOp::Start { session, event, owed: vec![plugin()], op_id: Some(format!("op-{id}").into()) };
        let Appended::Session { sequence, session } = journal.append(start).await.unwrap() else { panic!("{id}") };
        begun.push((sequence, session));
    }
    let [_, (second, ended), (third, _)] = begun.as_slice() else { panic!("three were begun") };
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(1))));
    let received = Some(Receipt { at: Timestamp::from_millisecond(1), said: 0 });
    let end = JournalOp::End {
        sequence: *second,
        session: ended.clone(),
        event,
        owed: vec![plugin()],
        received,
        op_id: None,
    };
    journal.append(end).await.unwrap();
    let delivery = DeliveryKey { sequence: *third, event: EventKey::End, plugin: plugin() };
    let settlement = Settlement::Owed {
        failures: 1,
        late: false,
        retry_at: None,
        cause: FailureCause::Retry,
        message: "busy".into(),
    };
    journal
        .complete(&"t".into(), vec![Completion { delivery, attempt: 1, settlement, changes: None }])
        .pending
        .await
        .unwrap();
}

/// `session.facts = {"id":…}`: what somebody has written over a column, in each of its rows. A number is one, and `null` is none.
fn write_over(file: &Connection, line: &str) {
    let Some((place, value)) = line.split_once(" = ") else { return };
    let Some((table, column)) = place.split_once('.') else { return };
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !is_name(table) || !is_name(column) {
        return;
    }
    let value = match value.parse::<i64>() {
        Ok(number) => Value::Integer(number),
        Err(_) if value == "null" => Value::Null,
        Err(_) => Value::Text(value.to_owned()),
    };
    // What the table does not take is not there afterwards.
    file.execute(&format!("UPDATE \"{table}\" SET \"{column}\" = ?1"), [value]).ok();
}

/// Whatever somebody has written into a journal's rows, it is opened and read, or refused with a reason, each time alike.
pub fn journal_rows(input: &[u8]) {
    let folder = folder();
    let path = folder.path().join("journal.db");
    fs::write(&path, journal()).unwrap();
    let file = Connection::open(&path).unwrap();
    for line in String::from_utf8_lossy(input).lines() {
        write_over(&file, line);
    }
    file.close().unwrap();
    let verdicts = [(); 2].map(|()| match SqliteJournal::open(&path) {
        Ok(journal) => journal.recover().map(drop).map_err(|error| error.to_string()),
        Err(refused) => Err(refused.to_string()),
    });
    for refused in verdicts.iter().filter_map(|verdict| verdict.as_ref().err()) {
        assert!(!refused.is_empty());
    }
    assert_eq!(verdicts[0].is_ok(), verdicts[1].is_ok(), "{verdicts:?}");
    // What an operator's commands read.
    if let Ok(file) = JournalFile::look(&path) {
        let read = (file.sessions().is_ok(), file.deliveries().is_ok(), file.check().is_ok());
        assert!(read.2 || !read.0 || !read.1, "a check names what cannot be read, and is not stopped by it: {read:?}");
    }
}
