//! `cargo xtask test --browser`: the daemon's page in a real browser, with the real program behind it. The tests are in `tests/browser`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::npm;
use crate::console::say;
use crate::{demo, process, repository};

/// Names of the browser, in the order in which they are tried.
const BROWSERS: [&str; 2] = ["chromium", "chromium-browser"];

/// Runs them, and leaves pictures in target/browser.
pub(super) fn run() -> anyhow::Result<()> {
    let browser = browser()?;
    let lastword = demo::build()?;
    let tests = repository::root().join("tests/browser");
    let packages = npm::install("what drives the browser", &tests, "browser")?;
    let pictures = repository::root().join("target/browser");
    std::fs::create_dir_all(&pictures).with_context(|| format!("cannot create {}", pictures.display()))?;
    let mut node = Command::new("node");
    process::from_shell(&mut node, &tests);
    node.args(["--test", "--test-reporter=spec", "page.test.mjs"]);
    node.env("LASTWORD_BROWSER", browser).env("LASTWORD_BROWSER_PACKAGES", packages);
    node.env("LASTWORD_PROGRAM", lastword).env("LASTWORD_PICTURES", &pictures);
    node.env("LASTWORD_GOOD_PLUGIN", repository::guests().join("rust_session_log.wasm"));
    node.env("LASTWORD_HANGING_PLUGIN", demo::test_guest("sleep")?);
    node.env("LASTWORD_FAILING_PLUGIN", demo::test_guest("fatal")?);
    process::run(&mut node)?;
    say(format_args!("pictures are in {}", repository::shown(&pictures)));
    Ok(())
}

/// `$LASTWORD_CHROMIUM`, else what is on the path.
fn browser() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("LASTWORD_CHROMIUM") {
        return Ok(PathBuf::from(named));
    }
    // What drives it takes a path, and not a name.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = |name| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    BROWSERS
        .into_iter()
        .find_map(on_path)
        .context("there is no browser: on Debian, apt install chromium; else name it in LASTWORD_CHROMIUM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_the_browser_is_locked_and_from_no_registry_of_ours() {
        let lockfile = std::fs::read_to_string(repository::root().join("tests/browser/package-lock.json")).unwrap();
        assert!(lockfile.contains("node_modules/playwright-core") && lockfile.contains("\"integrity\""));
        assert!(!lockfile.contains("\"resolved\""), "it names a registry");
    }
}
