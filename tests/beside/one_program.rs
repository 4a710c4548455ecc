//! One program with the journal, sqlx and diesel: all three have the same SQLite, and each does its work.

use std::path::Path;
use std::sync::Arc;

use diesel::{Connection, RunQueryDsl, SqliteConnection};
use lastword::events::{EndReason, Identity, Session};
use lastword::{EndRequest, Runtime, SqliteJournal, StartRequest};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

async fn sqlx(file: &Path) -> (i64, String) {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO users VALUES (42)").execute(&pool).await.unwrap();
    let found = sqlx::query_as("SELECT id, sqlite_version() FROM users").fetch_one(&pool).await.unwrap();
    pool.close().await;
    found
}

fn diesel(file: &Path) -> usize {
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    diesel::sql_query("UPDATE users SET id = id + 1").execute(&mut connection).unwrap()
}

#[tokio::test]
async fn a_session_starts_and_ends_beside_sqlx_and_diesel() {
    let home = tempfile::tempdir().unwrap();
    let (journal, users) = (home.path().join("journal.db"), home.path().join("users.db"));
    let sqlite = SqliteJournal::open(&journal).unwrap();
    let runtime = Runtime::builder().journal(Arc::new(sqlite)).build().unwrap();
    runtime.start_session(StartRequest::new(Session::new("acme", "s1"))).await.unwrap();
    runtime.start_session(StartRequest::new(Session::new("acme", "s2"))).await.unwrap();

    let (id, version) = sqlx(&users).await;
    assert_eq!((id, version.as_str()), (42, rusqlite::version()), "one SQLite");
    assert_eq!(diesel(&users), 1);

    let ended = runtime.end_session(EndRequest::new(Session::new("acme", "s1"), EndReason::Reset)).await.unwrap();
    assert_eq!((ended.identity, ended.generation), (Identity::new("acme", "s1"), 1));
    let left = lastword::sqlite::JournalFile::look(&journal).unwrap().sessions().unwrap();
    assert_eq!(left.len(), 1, "the end is on the disk");
    assert_eq!(&*left[0].session.identity.id, "s2");
}

/// The lowest that the journal takes is what goes with sqlx 0.9 and diesel 2.3: here is where it is tested.
#[test]
fn the_lowest_rusqlite_is_tested_here() {
    let lock = include_str!("Cargo.lock");
    let rusqlite = lock.split("[[package]]").find(|package| package.contains("name = \"rusqlite\"")).unwrap();
    assert!(rusqlite.contains("version = \"0.39."), "{rusqlite}");
}
