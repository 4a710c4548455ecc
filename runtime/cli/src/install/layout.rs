//! Detects the layout of a text, and writes values in the same layout.

use super::jsonc::cut;

/// The layout of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) newline: &'static str,
    /// The indentation of one level.
    pub(super) indent: String,
    /// Whether everything is on one line.
    pub(super) is_one_line: bool,
}

impl Layout {
    pub(super) fn of(text: &str) -> Self {
        let indented = text.lines().find(|line| {
            let content = line.trim_start_matches([' ', '\t']);
            content.len() < line.len() && content.starts_with('"')
        });
        let indent = indented.map_or("  ", |line| cut(line, 0..line.len() - line.trim_start().len()));
        let body = text.trim();
        Self {
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
            indent: indent.to_owned(),
            is_one_line: body.contains('"') && !body.contains('\n'),
        }
    }
}

/// A value to be written.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Number(u32),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Renders the value as JSON. `base` is the indentation of its first line. `None`: all of it on one line.
    pub(super) fn render(&self, layout: &Layout, base: Option<&str>) -> String {
        let inner = base.map(|base| format!("{base}{}", layout.indent));
        let inner = inner.as_deref();
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
            Self::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| item.render(layout, inner)).collect();
                list(["[", "]"], &items, layout, base.zip(inner))
            }
            Self::Object(members) => {
                let items: Vec<String> =
                    members.iter().map(|(name, value)| member(name, value, layout, inner)).collect();
                list(["{", "}"], &items, layout, base.zip(inner))
            }
        }
    }
}

/// Renders a member of an object as JSON.
pub(super) fn member(name: &str, value: &Node, layout: &Layout, base: Option<&str>) -> String {
    format!("{}: {}", quoted(name), value.render(layout, base))
}

/// Renders a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Renders a list. `indented` has the indentations of the brackets and of the items. `None`: all of it on one line.
fn list([open, close]: [&str; 2], items: &[String], layout: &Layout, indented: Option<(&str, &str)>) -> String {
    let newline = layout.newline;
    match indented {
        Some((base, inner)) if !items.is_empty() => {
            let items = items.join(&format!(",{newline}{inner}"));
            format!("{open}{newline}{inner}{items}{newline}{base}{close}")
        }
        _ => format!("{open}{}{close}", items.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_the_text_around_it() {
        let node = Node::Object(vec![("a".into(), Node::Array(vec![Node::Text("\"b\"".into()), Node::Number(5)]))]);
        let layout = Layout::of("{\r\n\t\"x\": 1\r\n}");
        assert_eq!(
            node.render(&layout, Some("\t")),
            "{\r\n\t\t\"a\": [\r\n\t\t\t\"\\\"b\\\"\",\r\n\t\t\t5\r\n\t\t]\r\n\t}"
        );
        assert_eq!(node.render(&layout, None), "{\"a\": [\"\\\"b\\\"\", 5]}");
        assert!(Layout::of("{\"a\": 1}\n").is_one_line);
        assert_eq!(Layout::of("{}").indent, "  ");
        assert_eq!(Layout::of("{\n    \"a\": 1}").indent, "    ");
    }
}
