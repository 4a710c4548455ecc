//! What a newcomer types.

use std::process::Command;

use lastword_cluster_tests::server_program;

use crate::page::first_server;

/// The servers' output goes to files, so a newcomer would see nothing of a mistake.
#[test]
#[ignore = "it needs the servers' program: cargo xtask test --cluster"]
fn the_server_takes_the_configuration_of_the_pages_first_steps() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nats-1.conf");
    std::fs::write(&file, first_server(1)).unwrap();
    let tried = Command::new(server_program()).arg("-t").arg("-c").arg(&file).output().unwrap();
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
}
