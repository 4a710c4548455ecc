//! The pages for authors of plugins: what they tell a reader to type is typed here, as it is printed, by someone who has what the
//! page asks for and begins in an empty folder.
//!
//! A block of `sh` is typed, and a command of it that fails is told with its page and line. A block of `text` is what the
//! commands before it print, with `…` for anything; one whose first line is a comment with a path is that file.
//!
//! `cargo xtask test --all` says where the tools are that it keeps for everybody. What a language needs besides comes from the page's own
//! commands: `npm`, `pip` and `cargo` keep what they download.

pub(crate) mod page;
mod reader;

use std::path::Path;

use page::{Block, blocks};
use reader::Reader;

use crate::support::in_ci;

/// Makes each reading a test, and all of them a list.
macro_rules! readings {
    ($($name:ident: $reading:expr;)*) => {
        $(#[test] fn $name() { $reading.read(); })*

        fn readings() -> Vec<Reading> {
            vec![$($reading),*]
        }
    };
}

readings! {
    what_new_writes_in_rust_builds_and_passes_unchanged: Reading::of_new("rust");
    what_new_writes_in_typescript_builds_and_passes_unchanged: Reading::of_new("typescript");
    what_new_writes_in_python_builds_and_passes_unchanged: Reading::of_new("python");
    what_new_writes_in_c_builds_and_passes_unchanged: Reading::of_new("c");
    a_newcomer_writes_and_installs_a_plugin_in_rust: Reading::of_the_guide("Rust");
    a_newcomer_writes_and_installs_a_plugin_in_typescript: Reading::of_the_guide("TypeScript");
    a_newcomer_writes_and_installs_a_plugin_in_python: Reading::of_the_guide("Python");
    a_newcomer_writes_and_installs_a_plugin_in_c: Reading::of_the_guide("C");
    a_newcomer_writes_and_installs_a_plugin_in_cpp: Reading::of_the_guide("C++");
    a_plugin_in_zig_ends_with_a_line: Reading::of_zig();
    a_plugin_in_javascript_fetches: Reading::of_fetch();
    the_plain_wasmtime_cli_runs_a_plugin_as_the_page_says: Reading::of_wasmtime();
    the_example_in_rust_can_be_tried_as_it_says: Reading::of_example("rust-session-log");
    the_example_in_typescript_can_be_tried_as_it_says: Reading::of_example("typescript-session-summary");
    the_example_in_c_can_be_tried_as_it_says: Reading::of_example("c-session-counter");
}

const SLOW: &str = "minutes of compiling; the tests have the same programs";
const BUILT: &str = "`cargo xtask test --all` builds it before the tests, with these commands and tools of its own";
const SERVER: &str = "talks to a server: `examples` has tests with one";

/// The commands that nobody types here: the beginning of the page's path, the beginning of the block, and why.
const NOT_TYPED: [(&str, &str, &str); 14] = [
    ("docs/plugins.md", "cargo install --locked wit-bindgen-cli wasm-tools", SLOW),
    ("docs/wasmtime-cli.md", "cargo install --locked wasmtime-cli", SLOW),
    ("guest-examples/skeletons/c/", "cargo install --locked wit-bindgen-cli wasm-tools", SLOW),
    ("guest-examples/", "cargo xtask guests", BUILT),
    ("guest-examples/c-", "cargo install", BUILT),
    ("guest-examples/go-", "cargo install", BUILT),
    ("guest-examples/python-", "python3 -m venv", BUILT),
    ("guest-examples/rust-", "rustup target add", BUILT),
    ("guest-examples/typescript-", "npm ci", BUILT),
    ("guest-examples/", "wasmtime run ", "it leaves the event out; `examples::every` runs the whole of it"),
    ("guest-examples/typescript-", "echo ", "reads a transcript of the reader's own"),
    ("guest-examples/go-", "lastword run", SERVER),
    ("guest-examples/python-", "lastword check", SERVER),
    ("guest-examples/rust-c", "grants=", SERVER),
];

/// What somebody types in one shell, beginning in an empty folder.
struct Reading {
    /// Typed before: what the page takes for granted.
    before: String,
    /// Pages, from the repository's root, and the sections of them; none is the whole page.
    parts: Vec<(String, Option<&'static str>)>,
    /// A plugin of target/guests/ that takes the same tools to build.
    like: String,
    /// Whether that one is there as plugin.wasm.
    has_plugin: bool,
}

impl Reading {
    fn new(like: &str, parts: Vec<(String, Option<&'static str>)>) -> Self {
        Self { before: String::new(), parts, like: like.replace('-', "_"), has_plugin: false }
    }

    /// The README of a new plugin, by its author.
    fn of_new(language: &str) -> Self {
        let page = format!("guest-examples/skeletons/{language}/README.md");
        let before = format!("lastword new {language} my-plugin && cd my-plugin");
        Self { before, ..Self::new(&format!("{language}-skeleton"), vec![(page, None)]) }
    }

    /// The guide, by someone who has chosen a language.
    fn of_the_guide(language: &'static str) -> Self {
        let sections = [language, "Try it with events of your own", "Install it"];
        let parts = sections.map(|section| ("docs/plugins.md".to_owned(), Some(section)));
        let tools = language.trim_end_matches('+').to_lowercase();
        Self::new(&format!("{tools}-skeleton"), parts.into())
    }

    /// The part of the guide that is about half a plugin in Zig.
    fn of_zig() -> Self {
        Self::new("c-skeleton", vec![("docs/plugins.md".to_owned(), Some("Zig"))])
    }

    /// The part of the guide that is about another engine.
    fn of_fetch() -> Self {
        Self::new("typescript-skeleton", vec![("docs/plugins.md".to_owned(), Some("JavaScript with fetch"))])
    }

    fn of_wasmtime() -> Self {
        let parts = vec![("docs/wasmtime-cli.md".to_owned(), None)];
        Self { has_plugin: true, ..Self::new("rust-skeleton", parts) }
    }

    /// What an example's README says of the built one.
    fn of_example(name: &str) -> Self {
        Self::new(name, vec![(format!("guest-examples/{name}/README.md"), Some("Try"))])
    }

    fn covers(&self, block: &Block) -> bool {
        let is = |(page, section): &(String, Option<&str>)| {
            *page == block.page && section.is_none_or(|section| section == block.section)
        };
        self.parts.iter().any(is)
    }

    fn blocks(&self) -> Vec<Block> {
        let mut pages: Vec<&str> = self.parts.iter().map(|(page, _)| page.as_str()).collect();
        pages.dedup();
        let mut found: Vec<Block> = pages.into_iter().flat_map(blocks).collect();
        found.retain(|block| self.covers(block) && not_typed(block).is_none());
        found
    }

    fn read(&self) {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests").canonicalize();
        let guests = guests.expect("cargo xtask test --all builds the plugins");
        let like = guests.join(&self.like).with_extension("wasm");
        let blocks = self.blocks();
        assert!(blocks.iter().any(Block::is_commands), "{:?} have no commands", self.parts);
        if let Some(what) = lacking(&like, &blocks) {
            assert!(!in_ci(), "{what}");
            eprintln!("left out: {what}");
            return;
        }
        let reader = Reader::new();
        if self.has_plugin {
            std::fs::copy(like, reader.folder().join("plugin.wasm")).unwrap();
        }
        if self.parts.iter().any(|(_, section)| *section == Some("Try")) {
            std::fs::create_dir(reader.folder().join("target")).unwrap();
            std::os::unix::fs::symlink(guests, reader.folder().join("target/guests")).unwrap();
        }
        reader.types(&self.before, &blocks);
    }
}

/// What the machine lacks for these commands. In CI it may lack nothing: a check that ran less than it should is worse than one
/// that failed.
fn lacking(like: &Path, blocks: &[Block]) -> Option<String> {
    if !like.is_file() {
        return Some(format!("there is no {}: `cargo xtask guests` says what it needs", like.display()));
    }
    // Examples are built without these two as well, where others stand in for them.
    let mut typed = blocks.iter().filter(|block| block.is_commands()).flat_map(|block| &block.lines);
    let typed = typed.find_map(|line| ["rustup", "python3"].into_iter().find(|name| line.starts_with(name)))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(typed).is_file());
    (!is_there).then(|| format!("the page types `{typed}`, which is not on the PATH"))
}

/// Why these commands are not typed.
fn not_typed(block: &Block) -> Option<&'static str> {
    let first = block.lines.first()?;
    let is = |(page, begin, _): &&(&str, &str, _)| block.page.starts_with(page) && first.starts_with(begin);
    NOT_TYPED.iter().find(is).map(|(.., why)| *why)
}

/// Every page for authors: the two of docs/, and the README of each example and skeleton.
fn pages() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec!["docs/plugins.md".to_owned(), "docs/wasmtime-cli.md".to_owned()];
    for folder in ["guest-examples", "guest-examples/skeletons"] {
        for entry in root.join(folder).read_dir().unwrap() {
            let page = format!("{folder}/{}/README.md", entry.unwrap().file_name().to_str().unwrap());
            if root.join(&page).is_file() {
                pages.push(page);
            }
        }
    }
    pages
}

#[test]
fn every_command_of_the_pages_is_typed_here_or_it_is_said_why_not() {
    let readings = readings();
    let all: Vec<Block> = pages().iter().flat_map(|page| blocks(page)).filter(Block::is_commands).collect();
    for block in &all {
        let typed = readings.iter().any(|reading| reading.covers(block));
        let place = block.place();
        assert!(typed || not_typed(block).is_some(), "{place}: no test types this: {:?}", block.lines);
    }
    for (page, begin, why) in NOT_TYPED {
        let is_there = |block: &Block| block.page.starts_with(page) && block.lines[0].starts_with(begin);
        assert!(all.iter().any(is_there), "{page}… has no {begin:?} any more, which nobody types because: {why}");
    }
    for (page, section) in readings.iter().flat_map(|reading| &reading.parts) {
        let is_there = |block: &Block| block.page == *page && section.is_none_or(|section| section == block.section);
        assert!(all.iter().any(is_there), "{page} has no commands in {section:?} any more");
    }
}
