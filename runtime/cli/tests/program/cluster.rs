//! Nodes of a cluster: what is refused without one, and, with three real NATS servers, that one stands in for another.

mod with_cluster;

use crate::support::Home;

const CLUSTER: &str = "[journal.jetstream]\nservers = [\"nats://127.0.0.1:1\"]\nassume-sync-always = true\n";

#[test]
fn only_the_daemon_is_a_node_and_commands_that_look_into_files_say_so() {
    let home = Home::new();
    let ended = home.stdio().guest("prints").config(CLUSTER).run();
    ended.assert_refused(2, &["a journal on jetstream is for `lastword serve`"]);
    let ended = home.command("sessions").arg("--config").arg(home.join("lastword.toml")).run();
    ended.assert_refused(2, &["the journal is on a cluster of NATS servers and has no file"]);
    let ended = home.command("nodes").run();
    ended.assert_refused(2, &["no daemon answers"]);
    let of = home.command("sessions").arg("--of").arg("aaaaaaaa").run();
    of.assert_refused(2, &["no daemon answers that could have taken a journal over"]);
}

#[test]
fn what_is_for_files_says_what_to_use_with_a_cluster_and_a_file_is_no_journal_of_one() {
    let home = Home::new();
    let journal = |words: &[&str], config: &str| {
        let launch = words.iter().fold(home.command("journal"), |launch, word| launch.arg(*word));
        launch.config(config).run()
    };
    for (words, instead) in [
        (&["compact"][..], "purge the streams"),
        (&["backup", "copy.db"][..], "nats stream backup"),
        (&["restore", "copy.db"][..], "nats stream restore"),
    ] {
        let said = ["the journal is on a cluster of NATS servers and has no file", instead];
        journal(words, CLUSTER).assert_refused(2, &said);
    }
    for words in [["check", "--of", "aaaaaaaa"], ["export", "--of", "aaaaaaaa"]] {
        journal(&words, "").assert_refused(2, &["--of names a journal of a cluster"]);
    }
}

#[test]
fn a_daemon_that_is_no_node_says_so() {
    let home = Home::new();
    let daemon = home.serve().guest("prints").start().ready();
    let ended = home.command("nodes").run();
    ended.assert_refused(2, &["this daemon is no node of a cluster"]);
    for list in ["sessions", "deliveries"] {
        let ended = home.command(list).arg("--of").arg("aaaaaaaa").run();
        ended.assert_refused(2, &["this daemon does not have that journal"]);
    }
    assert_eq!(daemon.stop().code(), 0);
}
