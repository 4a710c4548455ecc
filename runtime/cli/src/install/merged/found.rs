//! Finds our hooks in a text, and the lists that contain hooks.

use jsonc_parser::ast::{Array, Object, Value};
use jsonc_parser::common::Ranged as _;

use super::super::hook_command::is_ours;
use super::super::jsonc::{Container, Mistake, member, parse};
use super::super::recipe::Shape;

pub(super) const HOOKS: &str = "hooks";
pub(super) const TIMEOUT: &str = "timeout";

/// The members that we write in an entry and in a hook. Others are the user's.
const MEMBERS: [&str; 5] = [HOOKS, "name", "type", "command", TIMEOUT];

/// One of our hooks in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) event: String,
    /// The positions of the entry in the event's list, and of the hook in the entry.
    pub(crate) group: usize,
    pub(crate) handler: usize,
    pub(crate) command: String,
    /// Whether the entry has no other hook.
    pub(super) is_alone: bool,
    /// Whether the entry has no member of the user.
    pub(super) is_plain: bool,
    /// The positions of its command and its time.
    pub(super) command_at: (usize, usize),
    pub(super) timeout_at: Option<(usize, usize)>,
    /// Its members.
    pub(super) members: Container,
}

/// Returns all of our hooks.
///
/// # Errors
/// When the owner could not parse the text.
pub(in crate::install) fn find(text: &str, shape: Shape) -> Result<Vec<Found>, Mistake> {
    let parsed = parse(text)?;
    let Some(root) = root(parsed.as_ref())? else { return Ok(Vec::new()) };
    let Some(hooks) = hooks(root)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for event in &hooks.properties {
        let Value::Array(entries) = &event.value else { continue };
        let event = event.name.as_str();
        for (group, entry) in entries.elements.iter().enumerate() {
            let Value::Object(entry) = entry else { continue };
            let handlers = match shape {
                Shape::Flat => vec![entry],
                Shape::Grouped { .. } => handlers(entry),
            };
            let is_alone = handlers.len() == 1;
            for (handler, value) in handlers.into_iter().enumerate() {
                let Some(command) = value.get_string("command") else { continue };
                if is_ours(&command.value) {
                    let timeout = value.get(TIMEOUT).map(|timeout| &timeout.value);
                    found.push(Found {
                        event: event.to_owned(),
                        group,
                        handler,
                        command: command.value.to_string(),
                        is_alone,
                        is_plain: is_plain(value) && (!is_alone || is_plain(entry)),
                        command_at: (command.start(), command.end()),
                        timeout_at: timeout.map(|timeout| (timeout.start(), timeout.end())),
                        members: Container::from(value),
                    });
                }
            }
        }
    }
    Ok(found)
}

pub(super) fn root<'o, 'a>(parsed: Option<&'o Value<'a>>) -> Result<Option<&'o Object<'a>>, Mistake> {
    match parsed {
        None => Ok(None),
        Some(Value::Object(root)) => Ok(Some(root)),
        Some(other) => Err(Mistake::new(other.start(), "an object is expected here")),
    }
}

pub(super) fn hooks<'o, 'a>(root: &'o Object<'a>) -> Result<Option<&'o Object<'a>>, Mistake> {
    match member(root, HOOKS)?.map(|member| &member.value) {
        None => Ok(None),
        Some(Value::Object(hooks)) => Ok(Some(hooks)),
        Some(other) => Err(Mistake::new(other.start(), "\"hooks\" has to be an object")),
    }
}

pub(super) fn event_list<'o, 'a>(hooks: &'o Object<'a>, event: &str) -> Result<Option<&'o Array<'a>>, Mistake> {
    match member(hooks, event)?.map(|member| &member.value) {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(other) => Err(Mistake::new(other.start(), format!("\"{event}\" has to be an array"))),
    }
}

fn handlers<'o, 'a>(entry: &'o Object<'a>) -> Vec<&'o Object<'a>> {
    let Some(handlers) = entry.get_array(HOOKS) else { return Vec::new() };
    let objects = handlers.elements.iter().filter_map(|handler| match handler {
        Value::Object(handler) => Some(handler),
        _ => None,
    });
    // A position among other items would be wrong, so all items must be objects.
    let objects: Vec<_> = objects.collect();
    if objects.len() == handlers.elements.len() { objects } else { Vec::new() }
}

fn is_plain(object: &Object<'_>) -> bool {
    object.properties.iter().all(|member| MEMBERS.contains(&member.name.as_str()))
}

pub(super) fn place(object: &Object<'_>, name: &str) -> Option<usize> {
    object.properties.iter().position(|member| member.name.as_str() == name)
}
