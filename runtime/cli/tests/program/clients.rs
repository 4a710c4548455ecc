//! The packages in other languages, each with its own tests, which talk to the program: `LASTWORD_PROGRAM` says where it is.

/// Needs what only `cargo xtask test --all` has: Node with npm, and Python.
mod with_tools {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
    }

    /// Runs a command in a folder of this repository. With `CI` a test that could not have the program fails.
    #[track_caller]
    fn run(program: &Path, args: &[&str], name: &str) {
        let mut command = Command::new(program);
        command.args(args).current_dir(folder(name)).stdin(Stdio::null());
        command.env("LASTWORD_PROGRAM", env!("CARGO_BIN_EXE_lastword")).env("CI", "true");
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command:?}: {}\n{said}\n{wrong}", output.status);
    }

    /// Both are compiled with the tools that the client's lock file names: the adapter's own has all of OpenClaw.
    #[test]
    fn the_client_in_typescript_and_the_adapter_of_openclaw_do_what_they_promise() {
        let client = "clients/typescript";
        let (npm, node) = (Path::new("npm"), Path::new("node"));
        let quietly = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
        run(npm, &[["ci"].as_slice(), &quietly].concat(), client);
        run(npm, &["run", "--silent", "test"], client);
        let adapter = "adapters/openclaw";
        run(&folder(client).join("node_modules/.bin/tsc"), &["--project", "."], adapter);
        run(
            node,
            &["--test", "build/adapters/openclaw/test/bridge.test.js", "build/adapters/openclaw/test/program.test.js"],
            adapter,
        );
    }

    #[test]
    fn the_client_in_python_does_what_it_promises() {
        run(Path::new("python3"), &["-B", "-m", "unittest", "discover", "--quiet", "tests"], "clients/python");
    }
}
