//! Adds, repairs and removes our hooks in a file that the user shares with us. Changes nothing else.

mod found;
mod mend;

use jsonc_parser::ast::Value;

use super::jsonc::{Mistake, member, parse};
use super::layout::{Layout, Node};
use super::recipe::{Hook, Recipe, Shape};
use super::splice::{Item, insert, remove};
pub(crate) use found::Found;
pub(super) use found::find;
use found::{HOOKS, event_list, hooks, place, root};
use mend::mend;

const VERSION: &str = "version";

/// Returns the text with each of our hooks once, with this command and enough time. Changes nothing else.
///
/// # Errors
/// When the owner could not parse the text.
pub(super) fn install(text: &str, recipe: &Recipe, line: &str) -> Result<String, Mistake> {
    check(text)?;
    let mut text = text.to_owned();
    while let Some(mended) = mend(&text, recipe, line)? {
        text = mended;
    }
    if parse(&text)?.is_none() {
        text = begin(&text);
    }
    if recipe.shape == Shape::Flat {
        text = add_version(&text)?;
    }
    let there = find(&text, recipe.shape)?;
    let missing: Vec<Hook> =
        recipe.hooks.iter().copied().filter(|hook| !there.iter().any(|found| found.event == hook.event)).collect();
    for hook in &missing {
        text = add(&text, recipe, &missing, *hook, line)?;
    }
    Ok(text)
}

/// Returns the text without our hooks, and without lists that become empty, unless `original` has them.
///
/// # Errors
/// When the owner could not parse the text.
pub(super) fn strip(text: &str, shape: Shape, original: Option<&str>) -> Result<String, Mistake> {
    check(text)?;
    let mut text = text.to_owned();
    let mut all = find(&text, shape)?;
    while let Some(found) = all.first() {
        text = take_out(&text, shape, found, original)?;
        let left = find(&text, shape)?;
        if left.len() >= all.len() {
            break;
        }
        all = left;
    }
    Ok(text)
}

/// Whether a text has no value, or an empty object, and no comment.
pub(super) fn is_bare(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    bare.is_empty() || bare == "{}"
}

/// Gives a text without a value an empty object.
fn begin(text: &str) -> String {
    let newline = Layout::of(text).newline;
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
    format!("{text}{gap}{{}}{newline}")
}

/// Adds the version, without which Cursor does not read the file.
fn add_version(text: &str) -> Result<String, Mistake> {
    let parsed = parse(text)?;
    Ok(match root(parsed.as_ref())? {
        Some(root) if member(root, VERSION)?.is_none() => {
            insert(text, &root.into(), &Item::Member(VERSION, Node::Number(1)))
        }
        _ => text.to_owned(),
    })
}

/// Adds a hook, unless the first missing one brought all of them.
fn add(text: &str, recipe: &Recipe, missing: &[Hook], hook: Hook, line: &str) -> Result<String, Mistake> {
    let new = |hook: Hook| Node::Array(vec![recipe.entry(hook, line)]);
    let parsed = parse(text)?;
    let Some(root) = root(parsed.as_ref())? else { return Ok(text.to_owned()) };
    let Some(hooks) = hooks(root)? else {
        let all = missing.iter().map(|hook| (hook.event.to_owned(), new(*hook))).collect();
        return Ok(insert(text, &root.into(), &Item::Member(HOOKS, Node::Object(all))));
    };
    if find(text, recipe.shape)?.iter().any(|found| found.event == hook.event) {
        return Ok(text.to_owned());
    }
    Ok(match event_list(hooks, hook.event)? {
        Some(list) => insert(text, &list.into(), &Item::Element(recipe.entry(hook, line))),
        None => insert(text, &hooks.into(), &Item::Member(hook.event, new(hook))),
    })
}

fn take_out(text: &str, shape: Shape, found: &Found, original: Option<&str>) -> Result<String, Mistake> {
    let parsed = parse(text)?;
    let Some(root) = root(parsed.as_ref())? else { return Ok(text.to_owned()) };
    let Some(hooks) = hooks(root)? else { return Ok(text.to_owned()) };
    let Some(list) = event_list(hooks, &found.event)? else { return Ok(text.to_owned()) };
    if let (Shape::Grouped { .. }, Some(Value::Object(group)), false) =
        (shape, list.elements.get(found.group), found.is_alone)
    {
        let handlers = group.get_array(HOOKS);
        return Ok(handlers.map_or_else(|| text.to_owned(), |handlers| remove(text, &handlers.into(), found.handler)));
    }
    drop_empty(&remove(text, &list.into(), found.group), &found.event, original)
}

/// Removes the event's list if it is empty, and then the hooks if they are.
fn drop_empty(text: &str, event: &str, original: Option<&str>) -> Result<String, Mistake> {
    let had = Had::of(original, event);
    let parsed = parse(text)?;
    let Some(root) = root(parsed.as_ref())? else { return Ok(text.to_owned()) };
    let Some(hooks) = hooks(root)? else { return Ok(text.to_owned()) };
    let is_empty = event_list(hooks, event)?.is_some_and(|list| list.elements.is_empty());
    match place(hooks, event) {
        Some(index) if is_empty && !had.event => drop_hooks(&remove(text, &hooks.into(), index), had.hooks),
        _ => Ok(text.to_owned()),
    }
}

fn drop_hooks(text: &str, had_hooks: bool) -> Result<String, Mistake> {
    let parsed = parse(text)?;
    let Some(root) = root(parsed.as_ref())? else { return Ok(text.to_owned()) };
    let Some(hooks) = hooks(root)? else { return Ok(text.to_owned()) };
    Ok(match place(root, HOOKS) {
        Some(index) if hooks.properties.is_empty() && !had_hooks => remove(text, &root.into(), index),
        _ => text.to_owned(),
    })
}

/// The lists of a text that may be empty.
struct Had {
    hooks: bool,
    event: bool,
}

impl Had {
    fn of(original: Option<&str>, event: &str) -> Self {
        let parsed = original.and_then(|text| parse(text).ok().flatten());
        let hooks = match &parsed {
            Some(Value::Object(root)) => root.get_object(HOOKS),
            _ => None,
        };
        Self { hooks: hooks.is_some(), event: hooks.is_some_and(|hooks| hooks.get(event).is_some()) }
    }
}

/// Checks that the owner can parse the text, because only such a text is edited.
fn check(text: &str) -> Result<(), Mistake> {
    let parsed = parse(text)?;
    let Some(root) = root(parsed.as_ref())? else { return Ok(()) };
    let Some(hooks) = hooks(root)? else { return Ok(()) };
    hooks.properties.iter().try_for_each(|event| event_list(hooks, event.name.as_str()).map(|_| ()))
}

#[cfg(test)]
mod tests;
