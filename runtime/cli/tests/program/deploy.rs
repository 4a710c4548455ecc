//! The files of docs/deploy: what containers are made of, which no test here can run. Each is read by its own linter, held against what it
//! promises, and the configuration is the program's own to check. `daemon::container` runs the daemon as they do.

use std::path::{Path, PathBuf};

use crate::support::{Home, assert_says};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy").canonicalize().unwrap()
}

#[test]
fn the_configurations_of_the_containers_have_no_mistakes() {
    for file in ["lastword.toml", "cluster/lastword.toml"] {
        let home = Home::new();
        let text = std::fs::read_to_string(deploy().join(file)).unwrap();
        let own = "/usr/lib/lastword/memory.wasm";
        assert!(text.contains(own), "{file} names the plugin where the image has it");
        let launch = home.command("config").arg("check").with_guest("prints");
        let ended = launch.file("lastword.toml", text.replace(own, "prints.wasm")).run();
        assert_says(&ended, 0, &["no mistakes, 1 plugin fits"]);
    }
}

mod with_tools {
    use std::process::Command;

    use super::{Path, PathBuf, deploy};
    use crate::support::in_ci;

    /// Where the linters are; none where nobody has installed them, which only a test by hand may do without.
    fn python() -> Option<PathBuf> {
        let python = std::env::var_os("LASTWORD_DEPLOY_PYTHON").map(PathBuf::from);
        if python.is_none() {
            assert!(!in_ci(), "cargo xtask test --all says where the linters are");
            println!("left out: cargo xtask test --all installs the linters, and says where they are");
        }
        python
    }

    /// Whether it finds nothing, and what it said.
    fn reads(program: &Path, args: &[&str], file: &Path) -> (bool, String) {
        let said = Command::new(program).args(args).arg(file).env("NO_COLOR", "1").output().unwrap();
        let text = [said.stdout, said.stderr].concat();
        (said.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// A linter of this name finds nothing in the file, and does find a mistake that is made on purpose.
    fn lint(linter: &str, args: &[&str], file: &str, (right, wrong): (&str, &str)) {
        let Some(python) = python() else { return };
        let linter = python.with_file_name(linter);
        let (is_fine, said) = reads(&linter, args, &deploy().join(file));
        assert!(is_fine, "{said}");
        let text = std::fs::read_to_string(deploy().join(file)).unwrap();
        assert!(text.contains(right), "{file} has no {right:?}");
        let home = tempfile::tempdir().unwrap();
        let spoilt = home.path().join(file);
        std::fs::create_dir_all(spoilt.parent().unwrap()).unwrap();
        std::fs::write(&spoilt, text.replace(right, wrong)).unwrap();
        let (is_fine, said) = reads(&linter, args, &spoilt);
        assert!(!is_fine, "it does not see {wrong:?}: {said}");
    }

    #[test]
    fn the_containerfile_has_nothing_that_hadolint_minds() {
        lint("hadolint", &[], "Containerfile", ("ENTRYPOINT [\"/usr/local/bin/lastword\"]", "ENTRYPOINT lastword"));
    }

    #[test]
    fn the_compose_file_is_one_by_its_schema() {
        let args = ["--builtin-schema", "vendor.compose-spec"];
        for file in ["compose.yaml", "cluster/compose.yaml"] {
            lint("check-jsonschema", &args, file, ("stop_grace_period", "stop_grace"));
        }
    }

    #[test]
    fn the_manifests_are_such_by_the_schemas_of_kubernetes() {
        for version in ["1.30.0", "1.37.0"] {
            let args = ["--strict", "--kubernetes-version", version];
            let spelling = ("terminationGracePeriodSeconds", "terminationGracePeriod");
            for file in ["kubernetes.yaml", "cluster/kubernetes.yaml"] {
                lint("kubernetes-validate", &args, file, spelling);
            }
        }
    }

    #[test]
    fn the_files_hold_what_they_promise_of_each_other() {
        let Some(python) = python() else { return };
        let root = deploy().join("../..");
        let (holds, said) = reads(&python, &["../../tests/deploy/promises.py"], &root);
        assert!(holds, "{said}");
    }
}
