//! Someone who has what a page asks for, and types what it says.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::page::{Block, shows};

/// Set by cargo or the test runner for this process, and by nobody for a reader.
const NOT_A_READERS: [&str; 12] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "LD_LIBRARY_PATH",
    "MAKEFLAGS",
    "MFLAGS",
    "RUSTFLAGS",
    "RUST_LOG",
    "VIRTUAL_ENV",
];
const NOT_A_READERS_PREFIXES: [&str; 6] =
    ["CARGO_BIN_EXE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_TARGET_", "LASTWORD_", "NEXTEST"];

/// A folder of one's own, and a shell in it.
pub(super) struct Reader {
    home: TempDir,
}

impl Reader {
    pub(super) fn new() -> Self {
        let reader = Self { home: tempfile::tempdir().unwrap() };
        fs::create_dir(reader.folder()).unwrap();
        fs::create_dir(reader.programs()).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lastword"), reader.programs().join("lastword")).unwrap();
        reader
    }

    /// Where the reader begins; empty but for what a test puts there.
    pub(super) fn folder(&self) -> PathBuf {
        self.home.path().join("work")
    }

    fn programs(&self) -> PathBuf {
        self.home.path().join("bin")
    }

    /// Types every command of these blocks in one shell, and writes the files that they show; then the pages must have told
    /// the truth.
    pub(super) fn types(&self, first: &str, blocks: &[Block]) {
        let script = Script::of(first, blocks);
        let (path, output) = (self.home.path().join("typed.sh"), self.home.path().join("output"));
        fs::write(&path, &script.text).unwrap();
        let printed = File::create(&output).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-Eeuo", "pipefail"]).arg(&path).current_dir(self.folder()).stdin(std::process::Stdio::null());
        self.environment(&mut bash);
        let status = bash.stdout(printed.try_clone().unwrap()).stderr(printed).status().unwrap();
        let output = String::from_utf8_lossy(&fs::read(&output).unwrap()).into_owned();
        assert!(status.success(), "{}\n{output}", script.failure(&output));
        for (number, block) in blocks.iter().enumerate().filter(|(_, block)| block.is_output()) {
            let printed = printed_before(number, &output);
            for shown in block.lines.iter().filter(|line| !line.trim().is_empty()) {
                let found = printed.lines().any(|line| shows(shown, line));
                assert!(found, "{}: nothing printed {shown:?}; this was:\n{printed}", block.place());
            }
        }
    }

    /// A reader's own, but for what goes into a user's folders and is of no use to anyone afterwards. What tools download stays
    /// where they keep it.
    fn environment(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let is_a_readers = name.to_str().is_none_or(|name| {
                !NOT_A_READERS.contains(&name) && !NOT_A_READERS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            });
            if !is_a_readers {
                command.env_remove(&name);
            }
        }
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
        command.env("XDG_STATE_HOME", self.home.path()).env("XDG_CACHE_HOME", self.home.path());
        // Zig compiles its C library into this one.
        command.env("ZIG_GLOBAL_CACHE_DIR", kept.join("zig"));
        // Elsewhere pip has a place of its own.
        if cfg!(target_os = "linux") && std::env::var_os("PIP_CACHE_DIR").is_none() {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
            command.env("PIP_CACHE_DIR", cache.unwrap_or_else(|| kept.to_owned()).join("pip"));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [self.programs(), guest_tools(), wasmtime()].into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).unwrap());
    }
}

/// The folder with `wit-bindgen` and `wasm-tools`.
fn guest_tools() -> PathBuf {
    told("LASTWORD_GUEST_TOOLS")
}

/// The folder with `wasmtime`.
fn wasmtime() -> PathBuf {
    told("LASTWORD_WASMTIME").parent().unwrap().to_owned()
}

fn told(name: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(|| panic!("cargo xtask test sets {name}"), PathBuf::from)
}

/// Blocks as one text for the shell.
struct Script {
    text: String,
    /// Where each of its lines comes from.
    places: Vec<String>,
}

/// Before what a block prints: `::: 3`.
const BLOCK: &str = "::: ";
/// Before the line of a command that failed.
const FAILED: &str = "::! ";

impl Script {
    fn of(first: &str, blocks: &[Block]) -> Self {
        let mut script = Self { text: String::new(), places: Vec::new() };
        script.add(&format!("trap 'echo \"{FAILED}$LINENO\"' ERR"), "the trap");
        script.add(first, "before the page");
        for (number, block) in blocks.iter().enumerate() {
            if block.is_commands() {
                script.add(&format!("echo; echo '{BLOCK}{number}'"), "the mark");
                for (line, text) in (block.line..).zip(&block.lines) {
                    script.add(text, &format!("{}:{line}: {text}", block.page));
                }
            } else if let Some(file) = block.file() {
                script.add(&format!("cat > '{file}' <<'END OF THE PAGE’S FILE'"), &block.place());
                block.lines.iter().for_each(|text| script.add(text, &block.place()));
                script.add("END OF THE PAGE’S FILE", &block.place());
            }
        }
        script
    }

    fn add(&mut self, line: &str, place: &str) {
        assert!(!line.contains('\n'), "{line}");
        writeln!(self.text, "{line}").unwrap();
        self.places.push(place.to_owned());
    }

    /// The command that failed.
    fn failure(&self, output: &str) -> String {
        let line = output.lines().rev().find_map(|line| line.strip_prefix(FAILED)?.parse::<usize>().ok());
        let place = line.and_then(|line| self.places.get(line.checked_sub(1)?));
        place.map_or_else(|| "the shell gave up:".to_owned(), |place| format!("this command failed: {place}"))
    }
}

/// What the last block of commands before this one printed.
fn printed_before(number: usize, output: &str) -> &str {
    let mut parts = output.split(BLOCK).filter_map(|part| part.split_once('\n'));
    let before = |head: &str| head.parse::<usize>().is_ok_and(|block| block < number);
    parts.by_ref().filter(|(head, _)| before(head)).last().map_or("", |(_, printed)| printed)
}
