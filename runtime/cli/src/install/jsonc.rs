//! JSON with comments and trailing commas. It is parsed to find positions, and edited as text.

use std::ops::Range;

use jsonc_parser::ast::{Array, Object, ObjectProp, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

/// A mistake in a text, with its byte offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    at: usize,
    what: String,
}

impl Mistake {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }

    /// Formats the mistake as `line:column: what`. Both count from 1, and columns count characters.
    pub(crate) fn show(&self, text: &str) -> String {
        let before = cut(text, 0..self.at);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{line}:{column}: {}", self.what)
    }
}

/// Parses a text. `None` if it has only comments.
///
/// # Errors
/// When the text is not JSON with comments and trailing commas.
pub(super) fn parse(text: &str) -> Result<Option<Value<'_>>, Mistake> {
    // The owners do not parse looser text either, and missing commas would break our edits.
    let options = ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
        ..ParseOptions::default()
    };
    match parse_to_ast(text, &CollectOptions::default(), &options) {
        Ok(parsed) => Ok(parsed.value),
        Err(error) => Err(Mistake::new(error.range().start, error.kind().to_string())),
    }
}

/// Returns the member of this name.
///
/// # Errors
/// When there are two, because owners differ in which one they use.
pub(super) fn member<'o, 'a>(object: &'o Object<'a>, name: &str) -> Result<Option<&'o ObjectProp<'a>>, Mistake> {
    let mut named = object.properties.iter().filter(|member| member.name.as_str() == name);
    let found = named.next();
    match named.next() {
        Some(second) => Err(Mistake::new(second.start(), format!("\"{name}\" is there twice"))),
        None => Ok(found),
    }
}

/// Two brackets, and the items between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    /// The offset after the opening bracket.
    pub(super) open: usize,
    /// The offset before the closing bracket.
    pub(super) close: usize,
    pub(super) items: Vec<Range<usize>>,
}

impl From<&Object<'_>> for Container {
    fn from(object: &Object<'_>) -> Self {
        let items = object.properties.iter().map(|member| member.start()..member.end()).collect();
        Self { open: object.start() + 1, close: object.end().saturating_sub(1), items }
    }
}

impl From<&Array<'_>> for Container {
    fn from(array: &Array<'_>) -> Self {
        let items = array.elements.iter().map(|element| element.start()..element.end()).collect();
        Self { open: array.start() + 1, close: array.end().saturating_sub(1), items }
    }
}

/// A piece of the text between values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Blank,
    Newline,
    Comma,
    LineComment,
    BlockComment,
}

impl Piece {
    pub(super) fn is_space(self) -> bool {
        matches!(self, Self::Blank | Self::Newline)
    }
}

/// Splits the text between values into pieces.
pub(super) fn pieces(text: &str, range: Range<usize>) -> Vec<(Piece, Range<usize>)> {
    let mut pieces = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let rest = cut(text, at..range.end);
        let (piece, length) = match rest.chars().next() {
            None => break,
            Some('\n') => (Piece::Newline, 1),
            Some(',') => (Piece::Comma, 1),
            Some(_) if rest.starts_with("//") => {
                let line = rest.split('\n').next().unwrap_or_default();
                (Piece::LineComment, line.trim_end_matches('\r').len())
            }
            Some(_) if rest.starts_with("/*") => {
                let end = cut(rest, 2..rest.len()).find("*/");
                (Piece::BlockComment, end.map_or(rest.len(), |end| end + 4))
            }
            Some(blank) => (Piece::Blank, blank.len_utf8()),
        };
        pieces.push((piece, at..at + length));
        at += length;
    }
    pieces
}

/// Returns a part of the text, clamped to its bounds.
pub(super) fn cut(text: &str, range: Range<usize>) -> &str {
    text.get(range.start..range.end.min(text.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_read_and_what_is_looser_is_refused() {
        for good in ["{}", "", "// nothing", "{\"a\": [1, 2,], /* b */ \"c\": null, // d\n}"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["{", "{a: 1}", "{'a': 1}", "{\"a\": 1 \"b\": 2}", "[] []", "{\"a\": 0x1}", "{\"a\": +1}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for bad in ["[.5]", "[5.]", "[Infinity]", "[-Infinity]", "[NaN]", r#"["\x41"]"#, r#"["\v"]"#, "[\"a\\\nb\"]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mistake_says_its_line_and_column() {
        let text = "{\n  \"ä\": 1,\n  \"b\" 2\n}";
        let shown = parse(text).unwrap_err().show(text);
        assert!(shown.starts_with("3:"), "{shown}");
    }

    #[test]
    fn pieces_are_told_apart() {
        let text = " ,/*/ x */// y\r\n";
        let kinds: Vec<Piece> = pieces(text, 0..text.len()).into_iter().map(|(piece, _)| piece).collect();
        let expected =
            [Piece::Blank, Piece::Comma, Piece::BlockComment, Piece::LineComment, Piece::Blank, Piece::Newline];
        assert_eq!(kinds, expected);
    }
}
