//! `cargo xtask bench-guard`: whether a commit made something take more instructions.
//!
//! Times on a shared machine are too noisy to say so of a few per cent. Instructions are counted by valgrind's callgrind, of the cases in
//! `bench/guard`: by the program as it was at another commit, and as it is now, in one run. Each case is run for one round and for two:
//! the difference has nothing of the start of a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context, bail, ensure};

use crate::console::{GOOD, WARN, say};
use crate::{process, repository};

mod table;
mod worktree;

use table::{Counted, Row};
use worktree::Worktree;

/// The package with the cases, and its program.
const PACKAGE: &str = "lastword-guard";
/// Where it is in a repository that has it.
const MANIFEST: &str = "bench/guard/Cargo.toml";
/// How often a case is counted again, on both sides, that takes more than it may: what threads wait for each other differs from run to
/// run, and the least counts.
const AGAIN: usize = 2;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The commit to compare with [default: the one before; beside changes that are not committed, the one that they are made to]
    #[arg(long, value_name = "COMMIT")]
    base: Option<String>,
}

/// Counts both, and shows them.
///
/// # Errors
/// A case takes more instructions than it may, or something cannot be built or counted.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let version = Command::new("valgrind").arg("--version").stdin(Stdio::null()).output();
    ensure!(
        version.is_ok_and(|version| version.status.success()),
        "it takes valgrind; on Debian: apt install valgrind"
    );
    let base = base(args)?;
    let folder = repository::root().join("target").join("bench-guard");
    let now = Guard::build(&repository::root(), &folder.join("now"), "as it is now")?;
    let before = {
        let worktree = Worktree::add(&folder.join("worktree"), &base)?;
        let has_guard = worktree.path().join(MANIFEST).is_file();
        let which = format!("as it was at {base}");
        has_guard.then(|| Guard::build(worktree.path(), &folder.join("before"), &which)).transpose()?
    };
    if before.is_none() {
        say(format_args!("{WARN}{base} has no {MANIFEST}: there is nothing to compare with{WARN:#}"));
    }
    let mut rows = Vec::new();
    for case in now.cases()? {
        say(format_args!("counting {}", case.name));
        rows.push(compare(&case, before.as_ref(), &now)?);
    }
    anstream::println!("{}", table::shown(&rows, &base));
    let worse: Vec<&str> = rows.iter().filter(|row| row.takes_too_many()).map(|row| row.name.as_str()).collect();
    let most = table::MOST_MORE_PER_CENT;
    ensure!(worse.is_empty(), "more than {most} % more instructions than at {base}: {}", worse.join(", "));
    say(format_args!("{GOOD}no case takes more than {most} % more instructions than at {base}{GOOD:#}"));
    Ok(())
}

/// Counts a case on both sides; again, when it seems to take too many.
fn compare(case: &Case, before: Option<&Guard>, now: &Guard) -> anyhow::Result<Row> {
    let of_before = match before {
        Some(guard) => guard.cases()?.into_iter().find(|before| before.name == case.name),
        None => None,
    };
    let count_before = || match (before, &of_before) {
        (Some(guard), Some(case)) => guard.count(case),
        _ => Ok(Counted::Nothing),
    };
    let mut row = Row { name: case.name.clone(), before: count_before()?, now: now.count(case)? };
    for _ in 0..AGAIN {
        if row.takes_too_many() {
            row.before = row.before.least(count_before()?);
            row.now = row.now.least(now.count(case)?);
        }
    }
    Ok(row)
}

/// The commit to compare with, as git names it shortly.
fn base(args: &Args) -> anyhow::Result<String> {
    let commit = match &args.base {
        Some(base) => base.clone(),
        None if worktree::git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() => "HEAD^".to_owned(),
        None => "HEAD".to_owned(),
    };
    let name = worktree::git(&["rev-parse", "--short", "--verify", &format!("{commit}^{{commit}}")]);
    name.with_context(|| format!("there is no commit {commit:?}; a shallow clone may lack it"))
}

/// A case, as the program lists it.
#[derive(Debug, PartialEq, Eq)]
struct Case {
    name: String,
    /// How often a round does it.
    times: u64,
    /// Whether the instructions of all threads count, or the main one's.
    on_all_threads: bool,
}

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, times, threads] = words.as_slice() else { bail!("{line:?} is no case") };
        let times = times.parse().ok().filter(|times| *times > 0);
        let times = times.with_context(|| format!("{line:?} says no number of times"))?;
        let on_all_threads = match *threads {
            "all" => true,
            "main" => false,
            _ => bail!("{line:?} says neither all nor main"),
        };
        Ok(Self { name: (*name).to_owned(), times, on_all_threads })
    }
}

/// The program with the cases, of one commit.
struct Guard {
    program: PathBuf,
    /// Where its processes leave what the next ones need.
    folder: PathBuf,
}

impl Guard {
    /// Builds it from the sources in `root`, and puts it into `folder`.
    fn build(root: &Path, folder: &Path, which: &str) -> anyhow::Result<Self> {
        say(format_args!("building {PACKAGE} {which}"));
        let target = repository::target()?;
        let mut build = process::cargo(root);
        // In one target directory: what both depend on is compiled once.
        build.args(["build", "--release", "--locked", "--package", PACKAGE, "--target-dir"]).arg(&target);
        process::run(&mut build)?;
        let name = format!("{PACKAGE}{}", std::env::consts::EXE_SUFFIX);
        let (built, program) = (target.join("release").join(&name), folder.join(&name));
        // The other commit's is built to the same place.
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(&built, &program))
            .with_context(|| format!("cannot copy {} into {}", built.display(), folder.display()))?;
        // Valgrind reads all symbols at each start, which takes longer than most cases. Where there is no `strip`, it does.
        Command::new("strip").arg(&program).stderr(Stdio::null()).status().ok();
        Ok(Self { program, folder: folder.to_owned() })
    }

    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let output = Command::new(&self.program).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("cannot run {}", self.program.display()))?;
        ensure!(output.status.success(), "{} does not list its cases", self.program.display());
        String::from_utf8(output.stdout)?.lines().map(str::parse).collect()
    }

    /// Instructions that a case takes each time.
    fn count(&self, case: &Case) -> anyhow::Result<Counted> {
        // First what the others find prepared, e.g. compiled code: it is compiled for the processor that valgrind shows.
        let rounds = [0, 1, 2].map(|rounds| self.collect(case, rounds));
        let [prepared, one, two] = rounds;
        let counted = prepared.and(one).and_then(|one| Ok((one, two?)));
        match counted {
            Ok((one, two)) => Ok(Counted::Instructions(two.saturating_sub(one) / case.times)),
            Err(error) => {
                // What fails without valgrind as well is no matter of valgrind's.
                let mut alone = Command::new(&self.program);
                process::run(alone.args([case.name.as_str(), "1"]).arg(&self.folder).stdin(Stdio::null()))?;
                Ok(Counted::NotUnderValgrind(format!("{error:#}")))
            }
        }
    }

    /// Instructions that a process takes for so many rounds.
    fn collect(&self, case: &Case, rounds: u32) -> anyhow::Result<u64> {
        let counts = tempfile::tempdir()?;
        let mut valgrind = Command::new("valgrind");
        // Threads apart: which of them count is the case's to say.
        valgrind.args(["--tool=callgrind", "--quiet", "--separate-threads=yes"]);
        valgrind.arg(format!("--callgrind-out-file={}", counts.path().join("counts").display()));
        valgrind.arg(&self.program).args([&case.name, &rounds.to_string()]).arg(&self.folder);
        let output = valgrind.stdin(Stdio::null()).output().context("cannot run valgrind")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing is said");
            bail!("{} ({last})", output.status);
        }
        let mut sum = 0_u64;
        for entry in counts.path().read_dir()? {
            let path = entry?.path();
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            sum += counted(&text, case.on_all_threads).unwrap_or(0);
        }
        ensure!(sum > 0, "callgrind counted nothing");
        Ok(sum)
    }
}

/// What a file of callgrind's has counted, of a thread that counts. The first thread is the main one.
fn counted(file: &str, on_all_threads: bool) -> Option<u64> {
    let said = |what: &str| file.lines().find_map(|line| line.strip_prefix(what)?.trim().parse::<u64>().ok());
    let counts = on_all_threads || said("thread:")? == 1;
    counts.then(|| said("totals:")).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_listed_and_nothing_else_is_one() {
        let case = |name: &str, times, on_all_threads| Case { name: name.to_owned(), times, on_all_threads };
        assert_eq!("line 100 main".parse::<Case>().unwrap(), case("line", 100, false));
        assert_eq!("lane 7 all".parse::<Case>().unwrap(), case("lane", 7, true));
        for line in ["", "line", "line 100", "line 0 main", "line x main", "line 100 some", "line 100 main more"] {
            assert!(line.parse::<Case>().is_err(), "{line}");
        }
    }

    #[test]
    fn only_the_threads_of_a_case_count() {
        let file = |thread: u32| {
            format!(
                "version: 1\npart: 1\nthread: {thread}\n\nevents: Ir\nsummary: 500\n\nfn=(1) main\n0 500\n\ntotals: 500\n"
            )
        };
        assert_eq!((counted(&file(1), false), counted(&file(2), false)), (Some(500), None));
        assert_eq!((counted(&file(1), true), counted(&file(2), true)), (Some(500), Some(500)));
        assert_eq!(counted("", true), None, "callgrind leaves an empty file beside those of the threads");
    }

    #[test]
    fn the_cases_are_where_they_are_looked_for() {
        let manifest = fs::read_to_string(repository::root().join(MANIFEST)).unwrap();
        assert!(manifest.contains(&format!("name = \"{PACKAGE}\"")));
    }
}
