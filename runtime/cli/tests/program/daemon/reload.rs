//! A configuration that is read again while owners are served.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Home, Launch, Program, Raw, Signal, ids};

const ONE: &str = "[[plugin]]\nname = \"one\"\ncomponent = \"prints.wasm\"\n";

fn two() -> String {
    format!("{ONE}[[plugin]]\nname = \"two\"\ncomponent = \"prints.wasm\"\n")
}

/// A daemon with this configuration.
fn serve(home: &Home, text: &str) -> Program {
    home.serve().with_guest("prints").config(text).start().ready()
}

/// Writes another configuration.
fn rewrite(home: &Home, text: &str) {
    fs::write(home.join("lastword.toml"), text).unwrap();
}

fn reload(home: &Home) -> Launch {
    home.command("reload")
}

#[test]
fn at_a_hangup_plugins_come_and_go_and_what_takes_a_restart_is_named() {
    let home = Home::new();
    let program = serve(&home, ONE);
    rewrite(&home, &format!("[drain]\nbudget = \"3s\"\n{}", two()));
    program.signal(Signal::HUP);
    program.log("two is installed");
    program.log("[drain] has changed: restart the daemon to apply it");
    let mut owner = Raw::connect(&home.socket());
    owner.end("s1");
    program.log("session-end s1");
    rewrite(&home, &two().replace("\"one\"", "\"three\""));
    let said = reload(&home).run();
    assert_eq!(said.code(), 0, "{}", said.stderr());
    assert!(
        said.stdout().contains("one is uninstalled") && said.stdout().contains("three is installed"),
        "{}",
        said.stdout()
    );
    owner.end("s2");
    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.printed_ends("one"), ["s1"]);
    assert_eq!(ended.printed_ends("two"), ["s1", "s2"]);
    assert_eq!(ended.printed_ends("three"), ["s2"]);
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let home = Home::new();
    let program = serve(&home, ONE);
    for (bad, why) in [
        ("[[plugin]]\nname = \"one\"\n".to_owned(), "lastword.toml:"),
        (format!("{ONE}[drian]\n"), "drain"),
        (format!("{ONE}[[plugin]]\nname = \"two\"\ncomponent = \"two.wasm\"\n"), "two.wasm"),
    ] {
        rewrite(&home, &bad);
        let refused = reload(&home).run();
        assert_eq!(refused.code(), 2, "{bad}: {}", refused.stdout());
        assert!(refused.stderr().contains(why), "{}", refused.stderr());
    }
    // A component that does not fit is found before anything is changed, too.
    fs::write(home.join("two.wasm"), "no component").unwrap();
    assert_eq!(reload(&home).run().code(), 2);
    program.signal(Signal::HUP);
    program.log("the configuration is as it was");
    let mut owner = Raw::connect(&home.socket());
    owner.end("s1");
    assert_eq!(program.stop().printed_ends("one"), ["s1"]);
}

#[test]
fn nothing_is_lost_or_told_twice_while_plugins_are_replaced() {
    let home = Home::new();
    let limits = |fuel: u64| format!("{ONE}limits = {{ fuel = {fuel} }}\n");
    let program = serve(&home, &limits(50_000_000_000));
    let socket = home.socket();
    let sessions = ids(200);
    let sent = sessions.clone();
    let owner = std::thread::spawn(move || {
        let mut owner = Raw::connect(&socket);
        for id in &sent {
            owner.start(id);
            owner.end(id);
        }
        // A half-closed connection would be an owner's death: it stays until all is told.
        owner
    });
    for fuel in 1..=10 {
        rewrite(&home, &limits(60_000_000_000 + fuel));
        let said = reload(&home).run();
        assert!(said.stdout().contains("one is replaced"), "{} {}", said.stdout(), said.stderr());
    }
    let owner = owner.join().unwrap();
    let ended = program.stop();
    drop(owner);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let told = ended.printed_ends("one");
    assert_eq!(told.len(), 200);
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), sessions.into_iter().collect());
}

#[test]
fn without_a_daemon_there_is_nobody_to_reload() {
    let refused = reload(&Home::new()).run();
    assert_eq!(refused.code(), 2);
    assert!(refused.stderr().contains("no daemon answers at"), "{}", refused.stderr());
}

#[test]
fn config_check_says_what_a_start_would() {
    let home = Home::new();
    let check = |text: &str| {
        let launch = home.command("config").arg("check").with_guest("prints");
        launch.file("lastword.toml", text).run()
    };
    let good = check(&two());
    assert_eq!(good.code(), 0, "{}", good.stderr());
    assert!(good.stdout().contains("no mistakes, 2 plugins fit"), "{}", good.stdout());
    let bad = check(&format!("{ONE}[daemon]\non-stop = \"hold\"\nlisten = \"0.0.0.0:1\"\n"));
    assert_eq!(bad.code(), 2);
    for said in ["neither \"drain\" nor \"keep\"", "without a token", "tls = {"] {
        assert!(bad.stderr().contains(said), "{}", bad.stderr());
    }
    fs::write(home.join("no.wasm"), "no component").unwrap();
    assert_eq!(check("[[plugin]]\nname = \"no\"\ncomponent = \"no.wasm\"\n").code(), 2);
}
