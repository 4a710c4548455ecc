//! What an author sees of an exception that nobody caught.

use std::path::Path;

use super::super::with_example;
use crate::support::Launch;

/// The example asks whether its setting is an address, and Python's own parser throws: a setting that its author did not think of.
#[test]
fn the_exception_of_a_plugin_in_python_is_shown_with_the_functions_that_it_came_through() {
    // Another test has compiled it already.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let launch = with_example(Launch::command("test"), "python_session_report").arg("python_session_report.wasm");
    let launch = launch.arg("--cache-dir").arg(cache).arg("--deadline").arg("60s");
    let ended = launch.arg("--grant-http=http://127.0.0.1:9").arg("--grant-config=report-url=http://[x").run();
    let said = ended.stdout();
    assert_eq!(ended.code(), 6, "{said}{}", ended.stderr());
    for shown in ["hooks.py\", line", "in session_end", "report.py\", line", "      | ValueError: Invalid IPv6 URL"] {
        assert!(said.contains(shown), "{shown:?} is missing in:\n{said}");
    }
}
