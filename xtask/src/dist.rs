//! `cargo xtask dist`: the archive that others install the program from, with its checksum.
//!
//! The same commit gives the same archive on the same kind of machine, as far as that is in our hands: entries are sorted and have the
//! commit's time, and paths of the machine that compiles are left out of Rust's code. A C compiler of another version makes another
//! program all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::console::{WARN, count, say};
use crate::{process, repository};

mod archive;
mod compiled_in;
mod licences;
mod sums;

use archive::Entry;

/// The profile of `Cargo.toml` that the program is built with.
const PROFILE: &str = "dist";
/// The package of the program, and the program.
const PACKAGE: &str = "lastword-cli";
const PROGRAM: &str = "lastword";
/// What the program of an archive has besides: traces, because whoever installs an archive cannot compile them in.
const FEATURES: &str = "lastword-cli/otlp";
/// What the archive has besides the program and the licences: where it is in the repository, and its name in the archive.
const FILES: [(&str, &str); 4] = [
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("docs/lastword.service", "lastword.service"),
];
/// The licences of what is compiled in.
const LICENCES: &str = "LICENSES-OF-DEPENDENCIES.txt";
/// The notices of Rust's standard library, which is compiled in as well: as the toolchain has them.
const STD_NOTICES: &str = "LICENSES-OF-RUST.html";
const SUMS: &str = "SHA256SUMS";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The machines that the program is for, as rustc calls them; what compiles for them has to be installed [default: those like this one]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// Builds the program, and writes the archive and its checksum.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let host = host()?;
    let target = args.target.clone().unwrap_or_else(|| host.clone());
    let time = commit_time()?;
    let tree = compiled_in::read(&repository::root(), PACKAGE, FEATURES, &target)?;
    let licences = licences::gather(&tree.others)?;
    if !licences.without_text.is_empty() {
        let names = licences.without_text.join(", ");
        say(format_args!("{WARN}without a licence text of their own, and named with their licence:{WARN:#} {names}"));
    }

    let program = build(&target)?;
    if target == host {
        answers(&program, &tree.version)?;
    }
    let content = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    let size = content.len();
    let entries = entries(&program_name(&target), content, licences.text, std_notices()?)?;
    let name = format!("{PROGRAM}-{}-{target}", tree.version);
    let packed = archive::pack(&name, entries, time).context("cannot pack the archive")?;

    let folder = repository::root().join("target").join("dist");
    let file = folder.join(format!("{name}.tar.gz"));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&folder)?;
        fs::write(&file, &packed)?;
        // Of this version, for all machines that it was built for here.
        fs::write(folder.join(SUMS), sums::of(&folder, &format!("{PROGRAM}-{}-", tree.version))?)
    };
    write().with_context(|| format!("cannot write into {}", folder.display()))?;
    say(format_args!("{}: {}, and the program in it {}", repository::shown(&file), bytes(packed.len()), bytes(size)));
    say(repository::shown(&folder.join(SUMS)));
    Ok(())
}

/// What is packed, in any order.
fn entries(
    program_name: &str,
    program: Vec<u8>,
    licences: String,
    std_notices: Option<Vec<u8>>,
) -> anyhow::Result<Vec<Entry>> {
    let mut entries = vec![
        Entry { name: program_name.to_owned(), is_program: true, content: program },
        Entry { name: LICENCES.to_owned(), is_program: false, content: licences.into_bytes() },
    ];
    entries.extend(std_notices.map(|content| Entry { name: STD_NOTICES.to_owned(), is_program: false, content }));
    for (path, name) in FILES {
        let content = fs::read(repository::root().join(path)).with_context(|| format!("cannot read {path}"))?;
        entries.push(Entry { name: name.to_owned(), is_program: false, content });
    }
    Ok(entries)
}

fn program_name(target: &str) -> String {
    if target.contains("-windows-") { format!("{PROGRAM}.exe") } else { PROGRAM.to_owned() }
}

/// Compiles the program with the profile.
fn build(target: &str) -> anyhow::Result<PathBuf> {
    say(format_args!("building the program for {target}: it takes some minutes, also where all else is built"));
    let mut build = process::cargo(&repository::root());
    build.args([
        "build",
        "--locked",
        "--profile",
        PROFILE,
        "--package",
        PACKAGE,
        "--bin",
        PROGRAM,
        "--features",
        FEATURES,
    ]);
    // Always said: so build scripts are compiled without our flags, and the program is in the same place on every machine.
    build.args(["--target", target]);
    build.env("CARGO_ENCODED_RUSTFLAGS", rustflags()?);
    process::run(&mut build)?;
    let program = repository::target()?.join(target).join(PROFILE).join(program_name(target));
    ensure!(program.is_file(), "{} was not built, though no command failed", program.display());
    Ok(program)
}

/// The person's flags, and those that leave the paths of this machine out of the program.
fn rustflags() -> anyhow::Result<String> {
    /// What separates flags, as cargo has it.
    const SEPARATOR: &str = "\u{1f}";
    let encoded = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().filter(|flags| !flags.is_empty());
    let plain = std::env::var("RUSTFLAGS").unwrap_or_default();
    let theirs = encoded.unwrap_or_else(|| plain.split_whitespace().collect::<Vec<_>>().join(SEPARATOR));
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let cargo = cargo.context("there is no home folder: set CARGO_HOME")?;
    let remap = |from: &Path, to: &str| {
        let from = from.to_str().with_context(|| format!("the path {} is no text", from.display()))?;
        anyhow::Ok(format!("--remap-path-prefix={from}={to}"))
    };
    let ours = [remap(&repository::root(), "/lastword")?, remap(&cargo, "/cargo")?];
    let theirs = (!theirs.is_empty()).then_some(theirs);
    Ok(theirs.into_iter().chain(ours).collect::<Vec<_>>().join(SEPARATOR))
}

/// Whether the program starts, and is what its archive will be called.
fn answers(program: &Path, version: &str) -> anyhow::Result<()> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let expected = format!("{PROGRAM} {version}");
    ensure!(output.status.success() && said == expected, "the program says {said:?}, and not {expected:?}");
    Ok(())
}

/// The kind of machine that this is, as rustc calls it.
fn host() -> anyhow::Result<String> {
    let said = ask("rustc", ["-vV"])?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    Ok(host.to_owned())
}

/// Seconds since 1970: `$SOURCE_DATE_EPOCH`, as tools that build the same twice have it, else when the commit was made.
fn commit_time() -> anyhow::Result<u64> {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok();
    let said = match &set {
        Some(set) => set.clone(),
        None => ask("git", ["log", "-1", "--format=%ct"])
            .context("the archive has the commit's time: outside of a clone set SOURCE_DATE_EPOCH")?,
    };
    let said = said.trim();
    said.parse().with_context(|| format!("{said:?} is no time in seconds since 1970"))
}

/// What the toolchain has for those who give its library on. A toolchain of another origin may lack it.
fn std_notices() -> anyhow::Result<Option<Vec<u8>>> {
    let sysroot = ask("rustc", ["--print", "sysroot"])?;
    let file = Path::new(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html");
    let found = fs::read(&file).ok();
    if found.is_none() {
        let what = "the notices of Rust's standard library are not in the archive";
        say(format_args!("{WARN}{what}:{WARN:#} {} is missing", file.display()));
    }
    Ok(found)
}

/// What a program prints, in the repository's root.
fn ask<const N: usize>(program: &str, args: [&str; N]) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    process::from_shell(&mut command, &repository::root());
    let output = command.args(args).output().with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// As people read it.
fn bytes(size: usize) -> String {
    format!("{} kB", count(u64::try_from(size).unwrap_or(u64::MAX) / 1_000))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_has_the_program_and_all_licences_and_the_same_bytes_each_time() {
        let pack = || {
            let mut entries =
                entries("lastword", b"program".to_vec(), "texts".to_owned(), Some(b"std".to_vec())).unwrap();
            entries.reverse();
            archive::pack("lastword-1.2.3-here", entries, 1_700_000_000).unwrap()
        };
        let packed = pack();
        assert_eq!(packed, pack());
        let mut unpacked = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let mut found = Vec::new();
        for entry in unpacked.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 1_700_000_000);
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            found.push((entry.path().unwrap().display().to_string(), entry.header().mode().unwrap(), content));
        }
        let names: Vec<_> = found.iter().map(|(name, mode, _)| (name.as_str(), *mode)).collect();
        assert_eq!(
            names,
            [
                ("lastword-1.2.3-here/CHANGELOG.md", 0o644),
                ("lastword-1.2.3-here/LICENSE", 0o644),
                ("lastword-1.2.3-here/LICENSES-OF-DEPENDENCIES.txt", 0o644),
                ("lastword-1.2.3-here/LICENSES-OF-RUST.html", 0o644),
                ("lastword-1.2.3-here/README.md", 0o644),
                ("lastword-1.2.3-here/lastword", 0o755),
                ("lastword-1.2.3-here/lastword.service", 0o644),
            ]
        );
        let content = |name: &str| &found.iter().find(|(found, ..)| found.ends_with(name)).unwrap().2;
        assert_eq!(content("/lastword"), b"program");
        assert_eq!(content(LICENCES), b"texts");
        assert_eq!(content("/LICENSE"), &fs::read(repository::root().join("LICENSE")).unwrap());
    }

    #[test]
    fn everything_that_is_compiled_into_the_program_has_a_licence_text_or_is_named_with_its_licence() {
        let tree = compiled_in::read(&repository::root(), PACKAGE, FEATURES, &host().unwrap()).unwrap();
        let licences = licences::gather(&tree.others).unwrap();
        let has = |name: &str| tree.others.iter().any(|package| package.name == name);
        assert!(
            has("wasmtime") && has("libsqlite3-sys") && has("serde") && has("opentelemetry-otlp"),
            "what is surely compiled in is not in the tree"
        );
        assert!(!has("cc") && !has("serde_derive"), "what only builds is not compiled in");
        assert!(!has("lastword"), "ours has the archive's LICENSE");
        for package in &tree.others {
            let line = licences.text.lines().find(|line| line.starts_with(&format!("{package} ")));
            let line = line.unwrap_or_else(|| panic!("{package} is not in the text"));
            let is_named = licences.without_text.contains(&package.to_string());
            assert_ne!(line.contains("   text "), is_named, "{line}");
            assert!(!is_named || package.license.is_some(), "{package} says no licence and has no text");
        }
        assert!(licences.text.contains("Jason Evans"), "the C library in tikv-jemalloc-sys has a text of its own");
    }

    #[test]
    fn the_program_is_built_as_the_profile_says() {
        let manifest = fs::read_to_string(repository::root().join("Cargo.toml")).unwrap();
        let profile = manifest.split_once("[profile.dist]\n").unwrap().1;
        let lines: Vec<_> = profile.lines().take_while(|line| !line.starts_with('[')).collect();
        for line in ["inherits = \"release\"", "strip = \"symbols\"", "codegen-units = 1"] {
            assert!(lines.contains(&line), "{line}: {lines:?}");
        }
        assert!(!profile.contains("panic ="), "a panic of one request is caught: it must unwind");
    }

    #[test]
    fn paths_of_this_machine_are_left_out_of_the_program() {
        let flags = rustflags().unwrap();
        let root = repository::root();
        assert!(flags.split('\u{1f}').any(|flag| flag == format!("--remap-path-prefix={}=/lastword", root.display())));
    }
}
