//! One daemon after the other: nothing falls between them.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

use super::spawn::Spawned;
use super::stand_in::StandIn;
use super::{command, end, refused, run, sessions, spool, start, until, waiting};
use crate::support::{Home, Launch, http};

/// A daemon as a hook starts it, with the user's own configuration and journal.
fn spawned(home: &Home, idle: &str) -> Launch {
    home.command("serve").arg("--spawned").arg("--exit-when-idle").arg(idle)
}

/// This configuration is the user's own.
fn configure(home: &Home, text: &str) {
    let folder = home.join("lastword");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    fs::write(folder.join("lastword.toml"), text).unwrap();
}

fn spawning_hook(home: &Home, payload: &str) {
    assert!(run(command(home, &["claude-code", "--spawn"]), payload).status.success());
}

#[test]
fn what_comes_while_an_idle_daemon_leaves_has_the_next_one_started() {
    let home = Home::new();
    let program = spawned(&home, "200ms").start();
    program.log("nobody needs the daemon any more");
    spawning_hook(&home, &start("s1"));
    assert_eq!(program.ended().code(), 0);
    let daemon = Spawned::of(&home);
    until("the session is active", || sessions(&home).len() == 1);
    until("the spool is empty", || waiting(&home).is_empty());
    drop(daemon);
}

#[test]
fn a_daemon_that_hands_over_while_a_plugin_is_called_is_waited_for() {
    let home = Home::new();
    let plugin = lastword_test_guests::write("sleep", home.path());
    let plugin = format!("[[plugin]]\nname = \"sleep\"\ncomponent = {plugin:?}\nlimits = {{ deadline = \"30s\" }}\n");
    configure(&home, &format!("{plugin}[daemon]\nowner-grace = \"60s\"\n"));
    let older = spawned(&home, "10m").start();
    until("it answers", || UnixStream::connect(home.socket()).is_ok());
    let hook = |payload: &str| assert!(run(command(&home, &["claude-code"]), payload).status.success());
    for id in ["s1", "s2"] {
        hook(&start(id));
    }
    until("both are active", || sessions(&home).len() == 2);
    hook(&end("s2"));
    until("the plugin is called", || http(&home.socket(), "GET", "/v1/status", "").1["plugins"][0]["running"] == 1);
    let handed = home.command("emit-spawn").arg("--spool").arg(spool(&home)).arg("--hand-over").run();
    let log = || fs::read_to_string(home.join("lastword").join("daemon.log")).unwrap_or_default();
    assert_eq!(handed.code(), 0, "{}\n{}", handed.stderr(), log());
    assert_eq!(older.ended().code(), 0);
    let daemon = Spawned::of(&home);
    let active = sessions(&home);
    assert!(active.len() == 1 && active[0].to_string().contains("\"s1\""), "{active:?}");
    drop(daemon);
}

#[test]
fn what_an_older_daemon_refuses_goes_to_the_next_one() {
    let home = Home::new();
    configure(&home, "");
    let older = StandIn::of_version(home.socket(), "0.0.1", "404 Not Found");
    until("it was asked to leave", || {
        spawning_hook(&home, &start("s1"));
        older.has_heard("POST /v1/hand-over ")
    });
    drop(older);
    let daemon = Spawned::of(&home);
    until("the session is active", || sessions(&home).len() == 1);
    assert_eq!(refused(&home).len(), 0);
    drop(daemon);
}

#[test]
fn a_daemon_that_cannot_start_is_not_tried_at_every_hook_and_the_reason_is_kept() {
    let home = Home::new();
    configure(&home, "nonsense");
    spawning_hook(&home, &start("s1"));
    let failed = spool(&home).join("spawn-failed");
    let why = || fs::read_to_string(&failed).unwrap_or_default();
    until("its end is noted", || why().ends_with('\n'));
    assert!(why().contains("has ended before it was ready"), "{}", why());
    configure(&home, "");
    let earlier = SystemTime::now() - Duration::from_secs(120);
    File::options().write(true).open(&failed).unwrap().set_modified(earlier).unwrap();
    until("a daemon answers", || {
        spawning_hook(&home, &start("s1"));
        UnixStream::connect(home.socket()).is_ok()
    });
    let daemon = Spawned::of(&home);
    until("it is not noted any more", || !failed.exists());
    until("the session is active", || sessions(&home).len() == 1);
    drop(daemon);
}

#[test]
fn a_spool_that_is_another_daemons_is_taken_in_when_that_has_left() {
    let home = Home::new();
    let first = home.serve().start().ready();
    let second = home.command("serve").arg("--journal").arg("second.db").arg("--socket").arg("second.sock").start();
    second.log("another daemon takes in the spool");
    first.stop();
    second.log("is taken in from now on");
    assert!(run(command(&home, &["claude-code"]), &start("s1")).status.success());
    until("the spool is empty", || waiting(&home).is_empty());
    assert_eq!(http(&home.join("second.sock"), "GET", "/v1/status", "").1["sessions"], 1);
    second.stop();
}
