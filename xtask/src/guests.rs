//! `cargo xtask guests`: builds the plugins of `guest-examples/` into `target/guests/`.
//!
//! An example's name begins with its language. Each is built as its README says, with the commands that an author types;
//! only where the tools come from differs. The skeletons, which are what an author begins with, are built like the rest.
//! What a machine cannot build is left out with a word of what is missing, so that
//! nobody needs five languages to work on the runtime; in CI it is an error.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::console::{WARN, say, time};
use crate::{ci, process, repository};

mod c;
mod cache;
mod go;
mod guest_tools;
mod python;
mod rust;
mod typescript;
mod venv;

pub(crate) use cache::short_sum;
pub(crate) use guest_tools::programs;
pub(crate) use rust::{Guest, TARGET, add_target};

/// What a skeleton is called, and its author replaces.
const PLACEHOLDER: &str = "my-plugin";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders of guest-examples/ [default: every one that can be built on this machine]
    names: Vec<String>,
    /// Fail if one cannot be built on this machine, as in CI
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.names.is_empty() {
        return build(&Example::all()?, Lacking::allowed_unless(args.all));
    }
    build(&Example::named(&args.names)?, Lacking::IsAnError)
}

/// Builds the examples that tests run: those in Rust, which need what the program needs; with `all`, every one.
pub(crate) fn build_for_tests(all: bool) -> anyhow::Result<()> {
    let mut examples = Example::all()?;
    examples.retain(|example| all || example.language == Language::Rust);
    build(&examples, Lacking::IsAnError)
}

/// A program of Python packages, which are installed once, as the tools of other languages are.
///
/// # Errors
/// This machine has no Python that is as new as this, or they cannot be installed.
pub(crate) fn python_program(name: &str, requirements: &Path, oldest: (u32, u32)) -> anyhow::Result<PathBuf> {
    match venv::with_since(oldest, requirements)? {
        Possible::Done(python) => Ok(python.with_file_name(name)),
        Possible::Lacks(what) => bail!("{name}: {what}"),
    }
}

/// Builds one example, which must be possible.
pub(crate) fn build_one(name: &str) -> anyhow::Result<()> {
    build(&Example::named(&[name.to_owned()])?, Lacking::IsAnError)
}

/// Runs the examples' own tests: of those in Rust, or of all. One that fails does not keep the others from running.
pub(crate) fn test_all(all: bool) -> anyhow::Result<()> {
    let mut examples = Example::all()?;
    examples.retain(|example| all || example.language == Language::Rust);
    let tested: Vec<_> = examples.iter().map(|example| (example, test(example))).collect();
    for (example, result) in tested {
        Lacking::IsAnError.judge(example, result.with_context(|| example.name.clone())?)?;
    }
    Ok(())
}

fn test(example: &Example) -> anyhow::Result<Possible<()>> {
    match example.language {
        Language::Rust => process::run(Guest::of(example).cargo("test").arg("--quiet")).map(Possible::Done),
        // A skeleton has nothing to test yet.
        _ if example.product == PLACEHOLDER => Ok(Possible::Done(())),
        Language::Go => go::test(example),
        Language::TypeScript => typescript::test(example),
        Language::Python => python::test(example),
        Language::C => Ok(Possible::Done(())),
    }
}

fn build(examples: &[Example], lacking: Lacking) -> anyhow::Result<()> {
    for example in examples {
        let begin = Instant::now();
        match example.build().with_context(|| format!("cannot build {}", example.name))? {
            Built::New(component) => {
                let size = size(&component)?;
                say(format_args!("{} ({size}, {})", repository::shown(&component), time(begin.elapsed())));
            }
            Built::Kept(component) => {
                say(format_args!("{} ({}) is up to date", repository::shown(&component), size(&component)?));
            }
            Built::Not(what) => lacking.judge(example, Possible::Lacks(what))?,
        }
    }
    Ok(())
}

fn size(file: &Path) -> std::io::Result<String> {
    let bytes = file.metadata()?.len();
    let (large, rest) = (bytes / 1_000_000, bytes % 1_000_000 / 100_000);
    Ok(if large == 0 { format!("{} kB", bytes.div_ceil(1000)) } else { format!("{large}.{rest} MB") })
}

/// What comes of it when a machine lacks a language's tools.
#[derive(Clone, Copy, PartialEq)]
enum Lacking {
    IsLeftOut,
    IsAnError,
}

impl Lacking {
    /// In CI nothing is left out: a check that ran less than it should is worse than one that failed.
    fn allowed_unless(all: bool) -> Self {
        if all || ci::is_here() { Self::IsAnError } else { Self::IsLeftOut }
    }

    fn judge(self, example: &Example, possible: Possible<()>) -> anyhow::Result<()> {
        match possible {
            Possible::Done(()) => Ok(()),
            Possible::Lacks(what) if self == Self::IsLeftOut => {
                say(format_args!("{WARN}{} is left out:{WARN:#} {what}", example.name));
                Ok(())
            }
            Possible::Lacks(what) => bail!("{}: {what}", example.name),
        }
    }
}

/// Whether something could be done on this machine; the text says what it lacks, and what to install.
enum Possible<T> {
    Done(T),
    Lacks(String),
}

/// What is in `target/guests/` now.
enum Built {
    New(PathBuf),
    /// It was there already, of the same sources and tools.
    Kept(PathBuf),
    /// The text says why.
    Not(String),
}

#[derive(Clone, Copy, PartialEq)]
enum Language {
    C,
    Go,
    Python,
    Rust,
    TypeScript,
}

impl Language {
    fn of(name: &str) -> Option<Self> {
        match name.split('-').next()? {
            "c" => Some(Self::C),
            "go" => Some(Self::Go),
            "python" => Some(Self::Python),
            "rust" => Some(Self::Rust),
            "typescript" => Some(Self::TypeScript),
            _ => None,
        }
    }
}

/// A plugin in `guest-examples/`.
struct Example {
    /// `c-session-counter`, `c-skeleton`
    name: String,
    folder: PathBuf,
    language: Language,
    /// What its author calls it, and the file that is built.
    product: String,
}

impl Example {
    /// Every example and skeleton, by name.
    fn all() -> anyhow::Result<Vec<Self>> {
        let folder = repository::root().join("guest-examples");
        let mut examples = Vec::new();
        for (name, path) in folders(&folder)? {
            if let Some(language) = Language::of(&name) {
                let product = match language {
                    // A crate bears its folder's name.
                    Language::Rust => name.clone(),
                    _ => name.split_once('-').unwrap_or_default().1.to_owned(),
                };
                examples.push(Self { name, folder: path, language, product });
            }
        }
        for (name, path) in folders(&folder.join("skeletons"))? {
            let language = Language::of(&name).with_context(|| format!("{}: which language?", path.display()))?;
            let product = PLACEHOLDER.to_owned();
            examples.push(Self { name: format!("{name}-skeleton"), folder: path, language, product });
        }
        examples.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(examples)
    }

    fn named(names: &[String]) -> anyhow::Result<Vec<Self>> {
        let all = Self::all()?;
        let known: Vec<_> = all.iter().map(|example| example.name.clone()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            bail!("guest-examples/ has no `{unknown}`; it has {}", known.join(", "));
        }
        Ok(all.into_iter().filter(|example| names.contains(&example.name)).collect())
    }

    fn build(&self) -> anyhow::Result<Built> {
        let recipe = match self.language {
            // Cargo itself knows whether there is anything to do.
            Language::Rust => None,
            Language::C => Some(c::recipe()),
            Language::Go => Some(go::recipe()),
            Language::Python => Some(python::recipe()),
            Language::TypeScript => Some(typescript::recipe()),
        };
        let stamp = recipe.map(|recipe| cache::Stamp::of(self, &recipe)).transpose()?;
        if stamp.as_ref().is_some_and(|stamp| stamp.is_current(&self.component())) {
            return Ok(Built::Kept(self.component()));
        }
        say(format_args!("building the plugin {}", self.name));
        let built = match self.language {
            Language::C => c::build(self)?,
            Language::Go => go::build(self)?,
            Language::Python => python::build(self)?,
            Language::Rust => Possible::Done(Guest::of(self).build()?),
            Language::TypeScript => typescript::build(self)?,
        };
        match built {
            Possible::Lacks(what) => Ok(Built::Not(what)),
            Possible::Done(built) => {
                let component = self.place(&built)?;
                stamp.map(|stamp| stamp.write()).transpose()?;
                Ok(Built::New(component))
            }
        }
    }

    /// Where an author's commands put it, if not in Rust: `build/session-counter.wasm` of `c-session-counter`.
    fn output(&self) -> PathBuf {
        self.folder.join("build").join(format!("{}.wasm", self.product))
    }

    /// Where tests and people look for the component.
    fn component(&self) -> PathBuf {
        repository::guests().join(format!("{}.wasm", self.name.replace('-', "_")))
    }

    /// Copies what was built to [`component`](Self::component). By renaming: a test may be reading the old one.
    fn place(&self, built: &Path) -> anyhow::Result<PathBuf> {
        ensure!(built.is_file(), "{} was not built, though no command failed", built.display());
        let component = self.component();
        let folder = repository::guests();
        let place = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let new = tempfile::Builder::new().prefix(&self.name).tempfile_in(&folder)?;
            std::fs::copy(built, new.path())?;
            new.persist(&component)?;
            Ok(())
        };
        place().with_context(|| format!("cannot write {}", component.display()))?;
        Ok(component)
    }
}

/// The folders in `folder`, with their names.
fn folders(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && path.is_dir()
        {
            folders.push((name.to_owned(), path));
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_a_readme_and_a_language() {
        let examples = Example::all().unwrap();
        assert!(examples.len() >= 8, "{}", examples.len());
        for (name, path) in folders(&repository::root().join("guest-examples")).unwrap() {
            let known = examples.iter().any(|example| example.folder == path);
            assert!(known || name == "skeletons", "{name}: which language?");
        }
        for example in examples {
            assert!(example.folder.join("README.md").is_file(), "{} has no README.md", example.name);
        }
    }

    fn example(name: &str, product: &str) -> Example {
        let folder = Path::new("examples").join(name);
        Example { name: name.to_owned(), folder, language: Language::C, product: product.to_owned() }
    }

    #[test]
    fn what_is_lacking_is_left_out_for_people_and_an_error_in_ci() {
        let example = example("c-x", "x");
        let lacks = || Possible::Lacks("it needs a thing".to_owned());
        assert!(Lacking::IsLeftOut.judge(&example, lacks()).is_ok());
        assert!(Lacking::IsAnError.judge(&example, lacks()).is_err());
        assert!(Lacking::allowed_unless(true) == Lacking::IsAnError);
    }

    #[test]
    fn a_component_bears_its_examples_name() {
        let example = example("c-session-counter", "session-counter");
        assert_eq!(example.output(), Path::new("examples/c-session-counter/build/session-counter.wasm"));
        assert!(example.component().ends_with("target/guests/c_session_counter.wasm"));
    }
}
