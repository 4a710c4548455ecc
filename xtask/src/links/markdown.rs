//! As much of Markdown as it takes to find links and headings.

use std::collections::BTreeSet;

/// What a Markdown file links to, and what in it can be linked to.
pub(super) struct Document {
    pub(super) links: Vec<Link>,
    pub(super) anchors: BTreeSet<String>,
}

pub(super) struct Link {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) target: String,
}

impl Document {
    pub(super) fn parse(text: &str) -> Self {
        let mut document = Self { links: Vec::new(), anchors: BTreeSet::new() };
        let mut fence: Option<&str> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim_start();
            if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark)) {
                match fence {
                    None => fence = Some(mark),
                    Some(open) if open == mark => fence = None,
                    Some(_) => {}
                }
            } else if fence.is_none() {
                document.read(number, line);
            }
        }
        document
    }

    fn read(&mut self, line: usize, text: &str) {
        if let Some(title) = heading(text) {
            self.add_anchor(slug(title));
        }
        let text = without_code(text);
        for attribute in ["id=\"", "name=\""] {
            self.anchors.extend(quoted_after(&text, attribute).map(str::to_owned));
        }
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let html = ["href=\"", "src=\""].into_iter().flat_map(|attribute| quoted_after(&text, attribute));
        let targets = inline.chain(definition(&text)).chain(html);
        let targets = targets.map(|target| target.trim_matches(['<', '>'])).filter(|target| !target.is_empty());
        self.links.extend(targets.map(|target| Link { line, target: target.to_owned() }));
    }

    /// A second heading of the same words gets `-1`, as on GitHub.
    fn add_anchor(&mut self, slug: String) {
        let taken = |anchors: &BTreeSet<String>, name: &str| anchors.contains(name);
        if !taken(&self.anchors, &slug) {
            self.anchors.insert(slug);
            return;
        }
        let free = (1..).map(|n| format!("{slug}-{n}")).find(|name| !taken(&self.anchors, name));
        self.anchors.extend(free);
    }
}

/// The text of an ATX heading.
fn heading(line: &str) -> Option<&str> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    ((1..=6).contains(&level) && title.starts_with(' ')).then(|| title.trim())
}

/// What GitHub makes of a heading's text.
fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The target of `[label]: target`. Footnotes (`[^1]: text`) are none.
fn definition(line: &str) -> Option<&str> {
    let (label, target) = line.trim_start().strip_prefix('[')?.split_once("]:")?;
    (!label.starts_with('^') && !label.contains(']')).then(|| target.split_whitespace().next())?
}

/// The line without what is between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

fn quoted_after<'a>(text: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(attribute).skip(1).filter_map(|rest| rest.split_once('"').map(|(value, _)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<(usize, String)> {
        Document::parse(text).links.into_iter().map(|link| (link.line, link.target)).collect()
    }

    #[test]
    fn every_way_to_write_a_link_is_found() {
        let text = "[a](a.md) and ![b](b.svg \"title\")\n[c]: c.md\n<img src=\"d.png\"> [e](<e.md>)";
        let found = [(1, "a.md"), (1, "b.svg"), (2, "c.md"), (3, "e.md"), (3, "d.png")];
        assert_eq!(targets(text), found.map(|(line, target)| (line, target.to_owned())));
    }

    #[test]
    fn code_has_no_links() {
        assert_eq!(targets("`[a](a.md)` x\n```md\n[b](b.md)\n~~~\n[c](c.md)\n```\n[^1]: footnote"), []);
    }

    #[test]
    fn headings_are_named_as_on_github() {
        let text =
            "# Never lost, `at least` once!\n## Two  words\n## The end\n### The end\n#hashtag\n<a id=\"by-hand\"></a>";
        let anchors = Document::parse(text).anchors;
        let expected = ["by-hand", "never-lost-at-least-once", "the-end", "the-end-1", "two--words"];
        assert_eq!(anchors.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
}
