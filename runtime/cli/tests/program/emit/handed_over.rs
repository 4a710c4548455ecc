//! A daemon answers.

use super::{assert_silent, end, header, hook, sessions, start, until, waiting};
use crate::support::Home;

#[test]
fn an_event_is_on_record_when_its_hook_is_gone_and_the_agents_process_is_its_owner() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    assert_silent(&hook(&home, &start("s1")));
    // A daemon that has not answered in time takes it in.
    until("the session is active", || sessions(&home).len() == 1);
    #[cfg(target_os = "linux")]
    let sessions = sessions(&home);
    // Whoever has started the hook here is this test.
    #[cfg(target_os = "linux")]
    assert_eq!(sessions[0]["owner"]["process"]["pid"], std::process::id(), "{sessions:?}");
    assert_silent(&hook(&home, &end("s1")));
    program.log("session-end s1");
    until("nothing waits", || waiting(&home).is_empty());
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
fn the_event_is_named_where_its_payload_does_not_say_it() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let payload = r#"{"sessionId":"s1","timestamp":1795837263053,"cwd":"/w","reason":"complete"}"#;
    let launch = home.command("emit").arg("copilot").arg("sessionEnd");
    assert_silent(&launch.input(payload).run());
    program.log("session-end s1");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn an_event_that_was_handed_over_before_under_its_name_is_one() {
    let home = Home::new();
    let again = || home.command("emit").arg("claude-code").arg("--op-id").arg("key-1").input(start("s1")).run();
    let program = home.serve().guest("prints").start().ready();
    assert_silent(&again());
    assert_silent(&hook(&home, &end("s1")));
    program.log("session-end s1");
    assert_silent(&again());
    assert!(sessions(&home).is_empty(), "it is the start that was taken already: {:?}", sessions(&home));
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
    assert_silent(&again());
    assert_eq!(header(&waiting(&home)[0])["op_id"], "key-1", "it has its name in the spool as well");
}

#[test]
fn the_socket_of_the_users_own_configuration_is_asked() {
    let home = Home::new();
    std::fs::create_dir_all(home.join("lastword")).unwrap();
    std::fs::write(home.join("lastword").join("lastword.toml"), "[daemon]\nsocket = \"own.sock\"\n").unwrap();
    let program = home.serve().guest("prints").start().ready();
    assert!(home.join("lastword").join("own.sock").exists());
    assert_silent(&hook(&home, &end("s1")));
    program.log("session-end s1");
    until("nothing waits", || waiting(&home).is_empty());
    let ended = program.stop();
    assert!(ended.stderr().contains("this user's own"), "{}", ended.stderr());
}

#[test]
fn cursor_reads_an_empty_object() {
    let home = Home::new();
    let payload = r#"{"hook_event_name":"sessionEnd","conversation_id":"c","reason":"completed"}"#;
    for payload in [payload, "", "nonsense"] {
        let ended = home.command("emit").arg("cursor").input(payload).run();
        assert_eq!((ended.code(), ended.stdout().as_str(), ended.stderr().as_str()), (0, "{}", ""), "{payload:?}");
    }
}
