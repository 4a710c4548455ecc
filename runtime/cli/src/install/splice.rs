//! Inserts an item into a list, or removes one, and changes no other byte of the text. Removing an inserted item
//! restores the text; only in an empty list the space between the brackets may be lost.

use std::ops::Range;

use super::jsonc::{Container, Piece, cut, pieces};
use super::layout::{Layout, Node, member};

/// An item to be inserted.
pub(super) enum Item<'i> {
    Member(&'i str, Node),
    Element(Node),
}

impl Item<'_> {
    fn render(&self, layout: &Layout, base: Option<&str>) -> String {
        match self {
            Self::Member(name, value) => member(name, value, layout, base),
            Self::Element(value) => value.render(layout, base),
        }
    }
}

/// Inserts an item at the end of a list. Comments on the last item's line stay there.
pub(super) fn insert(text: &str, list: &Container, item: &Item<'_>) -> String {
    let layout = Layout::of(text);
    match list.items.last() {
        Some(last) => insert_last(text, list, last, item, &layout),
        None => insert_first(text, list, item, &layout),
    }
}

fn insert_last(text: &str, list: &Container, last: &Range<usize>, item: &Item<'_>, layout: &Layout) -> String {
    let behind = pieces(text, last.end..list.close);
    let comma = behind.iter().find(|(piece, _)| *piece == Piece::Comma).map(|(_, range)| range.end);
    let (at, is_line_comment) = comments_of_line(&behind, comma.unwrap_or(last.end));
    let own_line = indentation(text, last.start);
    let base = own_line.or(is_line_comment.then_some(""));
    let separator = base.map_or_else(|| " ".to_owned(), |base| format!("{}{base}", layout.newline));
    let [before, comments, after] = [0..last.end, last.end..at, at..text.len()].map(|range| cut(text, range));
    let [ours_before, ours_after] = if comma.is_some() { ["", ","] } else { [",", ""] };
    format!("{before}{ours_before}{comments}{separator}{}{ours_after}{after}", item.render(layout, own_line))
}

fn insert_first(text: &str, list: &Container, item: &Item<'_>, layout: &Layout) -> String {
    let inside = pieces(text, list.open..list.close);
    let last = inside.iter().rfind(|(piece, _)| !piece.is_space());
    let at = last.map_or(list.open, |(_, range)| range.end);
    let is_line_comment = last.is_some_and(|(piece, _)| *piece == Piece::LineComment);
    let [before, after] = [0..at, at..text.len()].map(|range| cut(text, range));
    if layout.is_one_line && !is_line_comment {
        return format!("{before}{}{after}", item.render(layout, None));
    }
    let (newline, base) = (layout.newline, line_indentation(text, list.open));
    let inner = format!("{base}{}", layout.indent);
    let close = if cut(text, at..list.close).contains('\n') { String::new() } else { format!("{newline}{base}") };
    format!("{before}{newline}{inner}{}{close}{after}", item.render(layout, Some(&inner)))
}

/// Removes an item from a list, with its comma and the space before it. Comments stay.
pub(super) fn remove(text: &str, list: &Container, index: usize) -> String {
    let Some(item) = list.items.get(index) else { return text.to_owned() };
    let previous = index.checked_sub(1).and_then(|index| list.items.get(index));
    let next = list.items.get(index + 1);
    let before = pieces(text, previous.map_or(list.open, |previous| previous.end)..item.start);
    let behind = pieces(text, item.end..next.map_or(list.close, |next| next.start));
    let comma = |pieces: &[(Piece, Range<usize>)]| {
        pieces.iter().find(|(piece, _)| *piece == Piece::Comma).map(|(_, range)| range.clone())
    };
    let mut cuts = Vec::new();
    let own_comma = comma(&behind);
    if own_comma.is_none() {
        cuts.extend(comma(&before));
    }
    let last = before.iter().rfind(|(piece, _)| !piece.is_space());
    let mut from = last.map_or_else(|| before.first().map_or(item.start, |(_, range)| range.start), |(_, r)| r.end);
    let rest_from = own_comma.as_ref().map_or(item.end, |comma| comma.end);
    let rest = cut(text, rest_from..text.len());
    let is_behind_line_comment = last.is_some_and(|(piece, _)| *piece == Piece::LineComment);
    if is_behind_line_comment && !rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n') {
        // Otherwise the following text would become part of the comment.
        from += cut(text, from..item.start).find('\n').map_or(0, |newline| newline + 1);
    }
    let mut until = item.end;
    let is_alone = previous.is_none() && next.is_none();
    let is_open_line = !is_behind_line_comment && !cut(text, list.open..from).contains('\n');
    let space = cut(text, rest_from..list.close);
    if is_alone && own_comma.is_none() && is_open_line && space.trim().is_empty() && space.contains('\n') {
        until = list.close;
    }
    cuts.push(from..until);
    cuts.extend(own_comma);
    without(text, &mut cuts)
}

fn without(text: &str, cuts: &mut [Range<usize>]) -> String {
    cuts.sort_by_key(|range| range.start);
    let (mut left, mut at) = (String::with_capacity(text.len()), 0);
    for range in cuts.iter() {
        left.push_str(cut(text, at..range.start));
        at = range.end;
    }
    left.push_str(cut(text, at..text.len()));
    left
}

/// Returns the end of the comments that follow `from` on its line, and whether the last of them takes the rest of the
/// line.
fn comments_of_line(behind: &[(Piece, Range<usize>)], from: usize) -> (usize, bool) {
    let mut at = from;
    for (piece, range) in behind.iter().filter(|(_, range)| range.start >= from) {
        match piece {
            Piece::Newline => break,
            Piece::LineComment => return (range.end, true),
            Piece::BlockComment => at = range.end,
            Piece::Blank | Piece::Comma => {}
        }
    }
    (at, false)
}

/// Returns the indentation of the item at `at`, if it begins its line.
fn indentation(text: &str, at: usize) -> Option<&str> {
    let line = cut(text, 0..at).rsplit_once('\n')?.1;
    line.chars().all(|c| c == ' ' || c == '\t').then_some(line)
}

/// Returns the indentation of the line that contains `at`.
fn line_indentation(text: &str, at: usize) -> &str {
    let before = cut(text, 0..at);
    let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    cut(line, 0..line.len() - line.trim_start_matches([' ', '\t']).len())
}

#[cfg(test)]
mod tests {
    use jsonc_parser::ast::Value;

    use super::super::jsonc::parse;
    use super::*;

    fn list(text: &str) -> Container {
        match parse(text).unwrap().unwrap() {
            Value::Array(array) => Container::from(&array),
            Value::Object(object) => Container::from(&object),
            other => panic!("{other:?}"),
        }
    }

    fn inserted(text: &str) -> String {
        insert(text, &list(text), &Item::Element(Node::Number(9)))
    }

    #[test]
    fn an_item_is_put_behind_the_last_one_in_the_same_way() {
        for (before, after) in [
            ("[1]", "[1, 9]"),
            ("[1,]", "[1, 9,]"),
            ("[\n  1\n]", "[\n  1,\n  9\n]"),
            ("[\r\n\t1,\r\n]\r\n", "[\r\n\t1,\r\n\t9,\r\n]\r\n"),
            ("[\n  1 // one\n]", "[\n  1, // one\n  9\n]"),
            ("[\n  1, // one\n  // more\n]", "[\n  1, // one\n  9,\n  // more\n]"),
            ("[\n  1 /* a */, /* b */ // c\n]", "[\n  1 /* a */, /* b */ // c\n  9,\n]"),
            ("[1 // one\n]", "[1, // one\n9\n]"),
            ("[]", "[\n  9\n]"),
            ("[\n]", "[\n  9\n]"),
            ("[ // none\n]", "[ // none\n  9\n]"),
            ("[\"a\", []]", "[\"a\", [], 9]"),
        ] {
            assert_eq!(inserted(before), after);
            let back = remove(after, &list(after), list(after).items.len() - 1);
            let is_empty = before.trim_matches(['[', ']', '\n']).is_empty();
            assert_eq!(back, if is_empty { "[]" } else { before }, "{after}");
        }
    }

    #[test]
    fn an_item_is_taken_from_anywhere_and_comments_stay() {
        for (before, index, after) in [
            ("[9, 1]", 0, "[ 1]"),
            ("[\n  9,\n  1\n]", 0, "[\n  1\n]"),
            ("[\n  1,\n  9, // nine\n  2\n]", 1, "[\n  1, // nine\n  2\n]"),
            ("[1, // one\n 9, 2]", 1, "[1, // one\n 2]"),
            ("[1, 9 /* nine */, 2]", 1, "[1, /* nine */ 2]"),
            ("[9,]", 0, "[]"),
            ("[ // c\n 9]", 0, "[ // c\n]"),
        ] {
            let left = remove(before, &list(before), index);
            assert_eq!(left, after, "{before}");
            assert_eq!(list(&left).items.len(), list(before).items.len() - 1, "{left}");
        }
    }
}
