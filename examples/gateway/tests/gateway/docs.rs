//! What the README tells a reader to type is typed here, with `curl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Home;

/// What the page's commands do when one fails: they say so.
const STRICT: &str = "set -eu -o pipefail\ncurl() { command curl --silent --show-error --fail-with-body \"$@\"; }\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The fenced blocks of `sh` below a heading.
fn commands(page: &str, heading: &str) -> String {
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("the page has no {heading:?}"));
    let blocks = section.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split_once("\n```").unwrap().0.to_owned() + "\n").collect()
}

#[test]
fn what_the_readme_tells_to_type_is_answered() {
    let page = fs::read_to_string(repository().join("examples/gateway/README.md")).unwrap();
    let home = Home::new();
    let gateway = home.start();
    let typed = commands(&page, "Try it")
        .replace("http://127.0.0.1:8080", gateway.owners().address())
        .replace("http://127.0.0.1:8081", gateway.operators().address());
    let shown =
        Command::new("bash").arg("-c").arg(format!("{STRICT}{typed}")).current_dir(repository()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(shown.status.success(), "{}\n{}\n{}", said(&shown.stdout), said(&shown.stderr), gateway.log());
    assert!(said(&shown.stdout).contains("lastword_outcomes_total{"), "{}", said(&shown.stdout));
}
