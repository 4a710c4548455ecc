//! Checks that the tests that a document names are there: a promise whose test was renamed would look kept for ever.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

/// Documents that name tests, from the root.
const DOCUMENTS: [&str; 2] = ["docs/guarantees.md", "docs/field.md"];
/// Where the tests are.
const FOLDERS: [&str; 2] = ["runtime", "tests"];
/// A name with as many underscores is a test's: no setting, field or table has so many.
const UNDERSCORES: usize = 3;

/// Tells how many tests are named.
///
/// # Errors
/// A file cannot be read, or names are no tests; then the message lists each as `file:line: name`.
pub(crate) fn check(root: &Path) -> anyhow::Result<usize> {
    let mut functions = HashSet::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut functions)?;
    }
    let (mut named, mut missing) = (0, Vec::new());
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).with_context(|| format!("cannot read {document}"))?;
        for (line, name) in names(&text) {
            named += 1;
            if !functions.contains(name) {
                missing.push(format!("{document}:{line}: {name}"));
            }
        }
    }
    if !missing.is_empty() {
        bail!("{} tests are named and do not exist:\n{}", missing.len(), missing.join("\n"));
    }
    Ok(named)
}

/// Names of tests in code spans, each with its line.
fn names(text: &str) -> Vec<(usize, &str)> {
    let is_name = |span: &str| {
        span.matches('_').count() >= UNDERSCORES
            && span.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut names = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        names.extend(text.split('`').skip(1).step_by(2).filter(|span| is_name(span)).map(|name| (line, name)));
    }
    names
}

fn collect(folder: &Path, functions: &mut HashSet<String>) -> anyhow::Result<()> {
    for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, functions)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            functions.extend(text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_test_is_told_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["docs", "tests/program", "runtime"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("tests/program/one.rs"), "#[test]\nfn this_one_is_there() {}\n").unwrap();
        for document in DOCUMENTS {
            fs::write(root.path().join(document), "").unwrap();
        }
        let document = root.path().join("docs/guarantees.md");
        fs::write(&document, "`op_id` and `this_one_is_there`\n").unwrap();
        assert_eq!(check(root.path()).unwrap(), 1);
        fs::write(&document, "one line\n| a promise | `this_one_is_not_there` |\n").unwrap();
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.contains("docs/guarantees.md:2: this_one_is_not_there"), "{error}");
    }
}
