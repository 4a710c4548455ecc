//! As much of Markdown as it takes to find what a page tells its reader to type.

use std::path::Path;

/// A fenced block of a page.
#[derive(Debug)]
pub(crate) struct Block {
    /// The page, from the repository's root.
    pub(crate) page: String,
    /// The heading that it stands under.
    pub(crate) section: String,
    /// `sh`, `text`, `rust`; what follows the fence.
    pub(crate) language: String,
    /// Where its first line is in the page, counted from 1.
    pub(crate) line: usize,
    pub(crate) lines: Vec<String>,
}

impl Block {
    pub(crate) fn is_commands(&self) -> bool {
        self.language == "sh"
    }

    /// What the commands before it print.
    pub(super) fn is_output(&self) -> bool {
        self.language == "text"
    }

    /// The name of the file that it shows, which its first line says in a comment: `// src/lib.rs`.
    pub(super) fn file(&self) -> Option<&str> {
        let comment = self.lines.first()?;
        let name = comment.strip_prefix("// ").or_else(|| comment.strip_prefix("# "))?;
        (!self.is_commands() && name.contains('/') && !name.contains(' ')).then_some(name)
    }

    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// Every fenced block of a page, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    parse(page, &text)
}

fn parse(page: &str, text: &str) -> Vec<Block> {
    let (mut found, mut open, mut section) = (Vec::new(), None::<Block>, String::new());
    for (number, line) in (1..).zip(text.lines()) {
        match (open.take(), line.strip_prefix("```")) {
            (Some(block), Some(_)) => found.push(block),
            (Some(mut block), None) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, Some(language)) => {
                let (section, language) = (section.clone(), language.to_owned());
                let page = page.to_owned();
                open = Some(Block { page, section, language, line: number + 1, lines: Vec::new() });
            }
            (None, None) if line.starts_with('#') => line.trim_start_matches('#').trim().clone_into(&mut section),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: the last block has no end");
    found
}

/// Whether a line that was printed is the one that a page shows: blanks at its ends aside, and `…` is anything.
pub(super) fn shows(shown: &str, printed: &str) -> bool {
    let mut rest = printed.trim();
    // A line of the log begins with its time, which a page leaves out.
    let anywhere = shown.trim().starts_with("INFO ");
    for (place, part) in shown.trim().split('…').enumerate() {
        let at = match rest.find(part) {
            Some(at) if at == 0 || place > 0 || anywhere => at,
            _ => return false,
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || shown.trim().ends_with('…')
}

#[test]
fn a_page_is_read_as_people_read_it() {
    let page = "# One\n\n```sh\nfirst\n# second\n```\ntext\n## Two\n```rust\n// src/lib.rs\nfn f() {}\n```\n```json\n{}\n```\n";
    let blocks = parse("page.md", page);
    let seen: Vec<_> =
        blocks.iter().map(|block| (block.section.as_str(), block.line, block.lines.len(), block.file())).collect();
    assert_eq!(seen, [("One", 4, 2, None), ("Two", 10, 2, Some("src/lib.rs")), ("Two", 14, 1, None)]);
    assert!(blocks[0].is_commands() && !blocks[1].is_commands());
}

#[test]
fn what_a_page_leaves_out_may_be_anything_and_the_rest_may_not() {
    assert!(shows("stored  \"a\" = 1", "  stored  \"a\" = 1"));
    assert!(!shows("so far 1", "so far 12"));
    assert!(!shows("ok", "not ok"));
    assert!(shows("sha256 = \"…\"", "sha256 = \"90ab\""));
    assert!(shows("s1 ended: …", "s1 ended: idle"));
    assert!(shows("INFO plugin=p | x", "2026-11-21T20:36:30.951Z  INFO plugin=p | x"));
}
