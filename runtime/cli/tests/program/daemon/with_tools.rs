//! The API, asked by a program that has read nothing but its description.

use std::path::Path;
use std::process::Command;

use crate::support::{Home, http};

/// For how long it is asked, in seconds: in turns with what is at the limits of the description, what is beyond them, and one request after
/// another on the same thing.
const TIME: &str = "30";

/// No status of a server's fault, and no status, type, header or body that is not described. What is let in without a token, and what
/// a wrong method is answered, are looked at as well. Not whether all that is beyond the description is refused: the daemon is tolerant.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

/// These end the daemon, change it, or do not end by themselves.
const NOT_ASKED: &str = "^/v1/(drain|hand-over|reload|stream)$";

#[test]
fn whatever_the_description_allows_is_answered_as_it_says() {
    let program = std::env::var_os("LASTWORD_SCHEMATHESIS");
    let program = program.expect("cargo xtask test --all says where schemathesis is");
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/openapi/hooks.py");
    let home = Home::new();
    let (token, entry) = home.token("asks", "operator");
    let launch = home.serve().guest("good").arg("--listen").arg("127.0.0.1:0").arg("--tokens");
    let daemon = launch.file("tokens.toml", entry).start();
    let ready = daemon.line("the first line", |_| true);
    let address = ready["addresses"][0].as_str().unwrap();

    let mut asks = Command::new(program);
    asks.current_dir(home.path()).env("HOME", home.path()).env("NO_PROXY", "*").env("SCHEMATHESIS_HOOKS", hooks);
    asks.arg("run").arg(format!("http://{address}/openapi.json")).arg("--no-color");
    asks.arg("--header").arg(format!("Authorization: Bearer {token}"));
    asks.args(["--checks", CHECKS, "--exclude-path-regex", NOT_ASKED, "--phases", "coverage,fuzzing,stateful"]);
    asks.args(["--max-time", TIME, "--request-timeout", "30", "--workers", "1", "--generation-database", "none"]);
    let said = asks.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    // It warns of what the tolerant description lets it make up in vain.
    assert!(said.status.success() && stdout.contains(" generated, "), "{stdout}{stderr}");
    assert_eq!(http(&home.socket(), "GET", "/healthz", "").0, 200);
    let log = daemon.kill().stderr();
    assert!(!log.contains("has panicked"), "{log}");
}
