//! The file of tokens: what is said of it, and of a reload that finds it as it was.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::Home;

const CONFIG: &str = "[daemon]\ntokens = \"tokens.toml\"\n";

/// The entry of a new token.
fn entry(home: &Home, name: &str) -> String {
    let made = home.command("token").arg(name).run().stdout();
    format!("[[token]]{}\n", made.split_once("[[token]]").unwrap().1)
}

#[test]
fn a_reload_says_of_tokens_only_that_they_are_others() {
    let home = Home::new();
    let (path, first) = (home.join("tokens.toml"), entry(&home, "first"));
    fs::write(&path, &first).unwrap();
    let program = home.serve().config(CONFIG).start().ready();
    let reload = || home.command("reload").run().stdout();
    assert_eq!(reload().trim(), "nothing has changed");
    // A comment is no other token.
    fs::write(&path, format!("# mine\n{first}")).unwrap();
    assert_eq!(reload().trim(), "nothing has changed");
    fs::write(&path, format!("{first}{}", entry(&home, "second"))).unwrap();
    assert_eq!(reload().trim(), "2 tokens are valid");
    assert_eq!(reload().trim(), "nothing has changed");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn tokens_that_others_could_change_are_told_of_and_two_of_one_hash_are_a_mistake() {
    let home = Home::new();
    let (path, first) = (home.join("tokens.toml"), entry(&home, "first"));
    let check = || home.command("config").arg("check").file("lastword.toml", CONFIG).run();
    fs::write(&path, &first).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let good = check();
    assert_eq!((good.code(), good.stderr().contains("chmod")), (0, false), "{}", good.stderr());
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let open = check();
    assert_eq!(open.code(), 0, "{}", open.stderr());
    assert!(open.stderr().contains("can be changed by others (mode 0666)"), "{}", open.stderr());
    fs::write(&path, format!("{first}{}", first.replace("\"first\"", "\"second\""))).unwrap();
    check().assert_refused(2, &["the tokens \"first\" and \"second\" have one hash"]);
}
