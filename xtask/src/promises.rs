//! Checks that the tests that a document names are there: a promise whose test was renamed would look kept for ever.
//!
//! A document names a function (`a_promise_that_is_kept`), a module of a test program (`program::journal::kill`), or a file or folder of
//! tests (`sandbox/tests/grants.rs`).

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Documents that name tests, from the root.
const DOCUMENTS: [&str; 11] = [
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/deploy/README.md",
    "docs/environments.md",
    "docs/field.md",
    "docs/guarantees.md",
    "docs/journal.md",
    "docs/limits.md",
    "docs/promises.md",
    "docs/security.md",
    "docs/testing.md",
];
/// Where the tests are. Documents leave these out of the paths of files.
const FOLDERS: [&str; 2] = ["runtime", "tests"];
/// A name with as many underscores is a test's: no setting, field or table has so many.
const UNDERSCORES: usize = 3;
/// Stands for the rest of a name.
const AND_SO_ON: char = '…';

/// Tells how many tests are named.
///
/// # Errors
/// A file cannot be read, or names are no tests; then the message lists each as `file:line: name`.
pub(crate) fn check(root: &Path) -> anyhow::Result<usize> {
    let tests = Tests::collect(root)?;
    let (mut named, mut missing) = (0, Vec::new());
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).with_context(|| format!("cannot read {document}"))?;
        for (line, span) in
            (1..).zip(text.lines()).flat_map(|(line, text)| code_spans(text).map(move |span| (line, span)))
        {
            match tests.has(span) {
                Some(true) => named += 1,
                Some(false) => missing.push(format!("{document}:{line}: {span}")),
                None => (),
            }
        }
    }
    if !missing.is_empty() {
        bail!("{} tests are named and do not exist:\n{}", missing.len(), missing.join("\n"));
    }
    Ok(named)
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// What can be named.
struct Tests {
    root: PathBuf,
    functions: HashSet<String>,
    /// The folders of test programs that have several modules, by the programs' names.
    programs: BTreeMap<String, PathBuf>,
    /// The names of all files, without the ending, and of all folders.
    modules: HashSet<String>,
}

impl Tests {
    fn collect(root: &Path) -> anyhow::Result<Self> {
        let mut tests = Self {
            root: root.to_owned(),
            functions: HashSet::new(),
            programs: BTreeMap::new(),
            modules: HashSet::new(),
        };
        for folder in FOLDERS {
            tests.add(&root.join(folder))?;
        }
        Ok(tests)
    }

    fn add(&mut self, folder: &Path) -> anyhow::Result<()> {
        for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            self.modules.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
            if path.is_dir() {
                self.add(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let functions = text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once('(')?.0.to_owned()));
                self.functions.extend(functions);
                if let Some(name) = folder.file_name().filter(|name| path.ends_with("main.rs") && *name != "src") {
                    self.programs.insert(name.to_string_lossy().into_owned(), folder.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Whether there is a test of this name; none if it does not look like one.
    fn has(&self, span: &str) -> Option<bool> {
        if let Some((program, modules)) = span.split_once("::") {
            return match self.programs.get(program) {
                Some(folder) => Some(has_module(folder, modules)),
                None => self.is_gone(program).then_some(false),
            };
        }
        if span.split(['/', '.']).any(|part| part == "tests")
            && span.contains('/')
            && !span.contains([' ', AND_SO_ON, '*'])
        {
            return Some(alternatives(span).iter().all(|path| self.has_file(path)));
        }
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_function = span.matches('_').count() >= UNDERSCORES && span.bytes().all(is_name);
        is_function.then(|| self.functions.contains(span))
    }

    /// Whether it was the name of a test program or a module: it is no type and no crate, and no file has it any more.
    fn is_gone(&self, name: &str) -> bool {
        let is_crate = name == "std" || name == "wasmtime" || name.starts_with("lastword");
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_word && !is_crate && !self.modules.contains(name)
    }

    fn has_file(&self, path: &str) -> bool {
        self.root.join(path).exists() || FOLDERS.iter().any(|folder| self.root.join(folder).join(path).exists())
    }
}

/// Whether a test program has such a module; what is no file of its own is in the last file that is one.
fn has_module(program: &Path, modules: &str) -> bool {
    let (mut folder, mut file) = (program.to_owned(), program.join("main.rs"));
    let mut parts = modules.split("::").peekable();
    while let Some(deeper) =
        parts.peek().map(|part| folder.join(part)).filter(|path| path.with_extension("rs").is_file())
    {
        file = deeper.with_extension("rs");
        folder = deeper;
        parts.next();
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    let is_in_file = |part: &str| {
        let declared = |keyword: &str| match part.strip_suffix(AND_SO_ON) {
            Some(begin) => text.contains(&format!("{keyword} {begin}")),
            None => [" ", "(", ";"].iter().any(|end| text.contains(&format!("{keyword} {part}{end}"))),
        };
        declared("fn") || declared("mod")
    };
    parts.all(is_in_file)
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn alternatives(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (names, after))) => names.split(',').map(|name| format!("{before}{name}{after}")).collect(),
        None => vec![path.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository whose documents are empty but for this one.
    fn repository(promises: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        DOCUMENTS.iter().for_each(|document| write(document, ""));
        write("docs/guarantees.md", promises);
        write("runtime/cli/tests/program/main.rs", "mod journal;\n");
        write("runtime/cli/tests/program/journal/kill.rs", "#[test]\nfn this_one_is_there() {}\nmod timed {}\n");
        write("runtime/cli/tests/program/journal.rs", "mod kill;\n");
        write("tests/faults/tests/power.rs", "");
        root
    }

    #[test]
    fn the_documents_here_name_tests_that_are_there() {
        let named = check(&crate::repository::root()).unwrap_or_else(|missing| panic!("{missing}"));
        assert!(named > 100, "{named} names are too few for all these documents");
    }

    #[test]
    fn what_is_named_and_exists_is_counted() {
        let names = "`op_id`, `this_one_is_there`, `program::journal::kill`, `program::journal::kill::timed`, `program::journal::…`, \
                     `program::journal::kill::this_one…`, `std::fs`, `cli/tests/program/{main,journal}.rs`, `faults/tests`\n";
        assert_eq!(check(repository(names).path()).unwrap(), 7);
    }

    #[test]
    fn a_name_that_is_no_test_is_told_with_its_line() {
        for name in [
            "this_one_is_not_there",
            "program::journal::drown",
            "program::journal::kill::this_two…",
            "cli/tests/program/{main,moon}.rs",
            "faults/tests/power",
            "menagerie::alone",
        ] {
            let root = repository(&format!("one line\n| a promise | `{name}` |\n"));
            let error = check(root.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("docs/guarantees.md:2: {name}")), "{error}");
        }
    }
}
