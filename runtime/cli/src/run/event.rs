//! Parses an event that a plugin's author wrote: `{"session":{…},"delivery":{…},"reason":"reset",…}`.
//!
//! The field names are the protocol's, so a line of `lastword stdio` can be used as it is. `delivery` is optional. A
//! mistake that the protocol's reader drops, because a session must not lose its end to it, is an error here: the
//! author can fix it.

use std::sync::Arc;

use lastword_events::{Attributes, Delivery, Event, Hook, HookCall, PluginName, Session};
use serde_json::Value;

use crate::calls::sample;
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::fields::Fields;
use lastword_protocol::input;

/// Parses the event for a call of `hook`.
///
/// # Errors
/// Names the wrong field.
pub(super) fn read(json: &[u8], hook: Hook, plugin: &PluginName, remaining_ms: u32) -> Result<HookCall, BadLine> {
    let mut fields = Fields::of_line(json)?;
    let dropped_fields = fields.dropped();
    // The protocol's field besides the event.
    fields.string_if("op");
    fields.string_if("op_id");
    let session = session(fields.required_object("session")?)?;
    let delivery = fields.object_if("delivery");
    let attributes = pairs(&mut fields, "attributes")?;
    let event = match hook {
        Hook::SessionStart => {
            let mut start = input::start(fields);
            start.attributes.extend(attributes);
            start.validate()?;
            Event::Start(start)
        }
        Hook::SessionCompaction => {
            let mut compaction = input::compaction(fields)?;
            compaction.attributes.extend(attributes);
            compaction.validate()?;
            Event::Compaction(compaction)
        }
        Hook::SessionEnd => {
            let mut end = input::end(fields);
            end.attributes.extend(attributes);
            if let Some(dropped) = end.fit().into_iter().next() {
                return Err(BadLine::field(dropped.clone(), "too_long", format!("{dropped} does not fit")));
            }
            Event::End(end)
        }
    };
    let mut told = sample::delivery(&event, plugin, remaining_ms);
    if let Some(delivery) = delivery {
        read_delivery(delivery, &mut told)?;
    }
    if let Some(bad) = dropped_fields.first() {
        return Err(bad);
    }
    Ok(HookCall { session: Arc::new(session), delivery: told, event: Arc::new(event) })
}

fn session(mut fields: Fields) -> Result<Session, BadLine> {
    let generation = fields.count_if("generation");
    let attributes = pairs(&mut fields, "attributes")?;
    let mut session = input::read_session(fields)?;
    session.generation = generation.unwrap_or(1);
    session.attributes.extend(attributes);
    session.validate()?;
    Ok(session)
}

fn read_delivery(mut fields: Fields, delivery: &mut Delivery) -> Result<(), BadLine> {
    if let Some(id) = fields.string_if("id") {
        delivery.id =
            id.parse().map_err(|error| BadLine::field("delivery.id", "bad_delivery_id", format!("{error}")))?;
    }
    if let Some(attempt) = fields.count_if("attempt") {
        delivery.attempt = attempt;
    }
    if let Some(remaining_ms) = fields.count_if("remaining_ms") {
        delivery.remaining_ms = remaining_ms;
    }
    if let Some(late) = fields.boolean_if("late") {
        delivery.late = late;
    }
    Ok(())
}

/// `[["name","value"],…]`.
fn pairs(fields: &mut Fields, name: &'static str) -> Result<Attributes, BadLine> {
    let bad = || BadLine::field(name, "wrong_type", format!("{name} must be a list of pairs: [[\"name\",\"value\"]]"));
    let pair = |value: Value| match value {
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([Value::String(name), Value::String(value)]) => Ok((name, value)),
            _ => Err(bad()),
        },
        _ => Err(bad()),
    };
    fields.list(name)?.unwrap_or_default().into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use lastword_events::EndReason;

    use super::*;

    fn read_end(json: &str) -> Result<HookCall, BadLine> {
        read(json.as_bytes(), Hook::SessionEnd, &PluginName::new("memory").unwrap(), 500)
    }

    #[test]
    fn the_json_of_our_own_types_is_understood() {
        let call = sample::call(Hook::SessionEnd, &PluginName::new("memory").unwrap(), 500);
        let Event::End(end) = call.event.as_ref() else { panic!() };
        let mut json = serde_json::to_value(end).unwrap();
        json["session"] = serde_json::to_value(&*call.session).unwrap();
        json["delivery"] = serde_json::to_value(&call.delivery).unwrap();
        json["attributes"] = serde_json::json!([["model", "m"]]);
        let again = read_end(&json.to_string()).unwrap();
        assert_eq!(again.session, call.session);
        assert_eq!(again.delivery, call.delivery);
        let Event::End(read) = again.event.as_ref() else { panic!() };
        assert_eq!(read.attributes, [("model".into(), "m".into())]);
        assert_eq!((read.ended_at, read.duration_ms), (end.ended_at, end.duration_ms));
    }

    #[test]
    fn a_line_of_the_protocol_can_be_used_as_it_is() {
        let call = read_end(r#"{"op":"end","op_id":"a","session":{"id":"s1"},"reason":"idle"}"#).unwrap();
        let Event::End(end) = call.event.as_ref() else { panic!() };
        assert_eq!((end.reason.clone(), end.attributes.len()), (EndReason::Idle, 0));
        assert_eq!(call.session.generation, 1);
        assert_eq!(call.delivery.id.to_string(), "aaaaaaaa.1/session-end/memory");
    }

    #[test]
    fn a_mistake_is_named() {
        let table = [
            ("{}", Some("session"), "session is missing"),
            (r#"{"session":{"id":""}}"#, Some("session.id"), "session.id must not be empty"),
            (
                r#"{"session":{"id":"s"},"attributes":["a"]}"#,
                Some("attributes"),
                r#"attributes must be a list of pairs: [["name","value"]]"#,
            ),
            (
                r#"{"session":{"id":"s"},"duration_ms":-3}"#,
                Some("duration_ms"),
                "duration_ms must be a number of at least 0, not the number -3",
            ),
            (
                r#"{"session":{"id":"s"},"delivery":{"late":"no"}}"#,
                Some("delivery.late"),
                r#"delivery.late must be true or false, not the string "no""#,
            ),
            (
                r#"{"session":{"id":"s"},"delivery":{"id":"x"}}"#,
                Some("delivery.id"),
                r#""x" is no delivery id; one looks like k3f9a2c1.17/session-end/memory"#,
            ),
        ];
        for (json, field, message) in table {
            let bad = read_end(json).unwrap_err();
            assert_eq!((bad.field.as_deref(), bad.message.as_str()), (field, message));
        }
    }
}
