//! Finds links and headings in Markdown.

use std::collections::BTreeSet;

use pulldown_cmark::{Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};

/// What a Markdown file links to, and what in it can be linked to.
pub(super) struct Document {
    pub(super) links: Vec<Link>,
    pub(super) anchors: BTreeSet<String>,
    /// It begins with its title and a paragraph, in which a reader learns what it is for.
    pub(super) has_opening: bool,
}

pub(super) struct Link {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) target: String,
}

impl Document {
    pub(super) fn parse(text: &str) -> Self {
        let mut document = Self { links: Vec::new(), anchors: BTreeSet::new(), has_opening: has_opening(text) };
        let mut heading: Option<String> = None;
        let parser = parser(text);
        // A reference leads where its definition does, and that is checked also when nothing refers to it.
        let definitions: Vec<_> =
            parser.reference_definitions().iter().map(|(_, def)| (def.span.start, def.dest.to_string())).collect();
        let mut found = definitions;
        for (event, span) in parser.into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => document.add_anchor(slug(&heading.take().unwrap_or_default())),
                Event::Start(
                    Tag::Link { link_type: LinkType::Inline | LinkType::Autolink, dest_url, .. }
                    | Tag::Image { link_type: LinkType::Inline, dest_url, .. },
                ) => found.push((span.start, dest_url.to_string())),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    document.anchors.extend(attributes(&html, ["id=\"", "name=\""]));
                    found.extend(attributes(&html, ["href=\"", "src=\""]).map(|target| (span.start, target)));
                }
                _ => {}
            }
        }
        found.sort();
        let line = |at: usize| text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1;
        document.links.extend(found.into_iter().map(|(at, target)| Link { line: line(at), target }));
        document
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

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES)
}

fn has_opening(text: &str) -> bool {
    let mut events = parser(text);
    matches!(events.next(), Some(Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })))
        && events.any(|event| matches!(event, Event::End(TagEnd::Heading(_))))
        && matches!(events.next(), Some(Event::Start(Tag::Paragraph)))
}

/// What GitHub makes of a heading's text.
fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The values of attributes in HTML, as our documents write it.
fn attributes<'a>(html: &'a str, names: [&'a str; 2]) -> impl Iterator<Item = String> + 'a {
    let values =
        |name| html.split(name).skip(1).filter_map(|rest| rest.split_once('"').map(|(value, _)| value.to_owned()));
    names.into_iter().flat_map(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<(usize, String)> {
        Document::parse(text).links.into_iter().map(|link| (link.line, link.target)).collect()
    }

    #[test]
    fn every_way_to_write_a_link_is_found() {
        let text = "[a](a.md) and ![b](b.svg \"title\")\n\n[c]: c.md\n\n<img src=\"d.png\"> [e](<e.md>) [f\ng](f.md)";
        let found = [(1, "a.md"), (1, "b.svg"), (3, "c.md"), (5, "d.png"), (5, "e.md"), (5, "f.md")];
        assert_eq!(targets(text), found.map(|(line, target)| (line, target.to_owned())));
    }

    #[test]
    fn code_has_no_links() {
        assert_eq!(targets("`[a](a.md)` x\n```md\n[b](b.md)\n~~~\n[c](c.md)\n```\n[^1]: footnote"), []);
    }

    #[test]
    fn a_page_opens_with_a_title_and_a_paragraph() {
        let opens = |text: &str| Document::parse(text).has_opening;
        assert!(opens("# A *good* page\n\nTo do this, read on.\n"));
        for other in [
            "",
            "# A page\n",
            "# A page\n\n```sh\nrun\n```\n",
            "# A page\n\n| a |\n|---|\n",
            "## A part\n\nWords.\n",
            "Words.\n",
        ] {
            assert!(!opens(other), "{other:?}");
        }
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
