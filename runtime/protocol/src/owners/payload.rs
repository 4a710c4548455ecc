//! One line of an owner, before its format is known.

use crate::fields::Fields;

/// One line of an owner, before its format is known.
///
/// Some owners' payloads do not name their event, because they have a command for each event. The input of such a
/// command is handed on wrapped: `{"hook":"sessionEnd","payload":{…}}`. opencode's own events are
/// `{"type":"session.created","properties":{…}}`.
pub(super) struct Payload {
    /// The event's name, if it is outside of the payload.
    pub(super) event: Option<String>,
    /// The sender's name for this line.
    pub(super) op_id: Option<String>,
    pub(super) fields: Fields,
}

/// The fields around a payload: the name of its event, and the payload itself.
const WRAPPERS: [(&str, &str); 2] = [("hook", "payload"), ("type", "properties")];

impl Payload {
    pub(super) fn of(mut line: Fields) -> Self {
        let op_id = line.string_if("op_id");
        for (event, payload) in WRAPPERS {
            if line.text(event).is_some()
                && line.has(payload)
                && let Some(fields) = line.object_if(payload)
            {
                return Self { event: line.string_if(event), op_id, fields };
            }
        }
        Self { event: None, op_id, fields: line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(line: &str) -> Payload {
        Payload::of(Fields::of_line(line.as_bytes()).unwrap())
    }

    #[test]
    fn a_payload_may_be_wrapped_with_the_name_of_its_event() {
        let wrapped = payload(r#"{"hook":"sessionEnd","op_id":"7","payload":{"sessionId":"s"}}"#);
        assert_eq!((wrapped.event.as_deref(), wrapped.op_id.as_deref()), (Some("sessionEnd"), Some("7")));
        assert_eq!(wrapped.fields.text("sessionId"), Some("s"));
        let bus = payload(r#"{"type":"session.idle","properties":{"sessionID":"s"}}"#);
        assert_eq!((bus.event.as_deref(), bus.fields.text("sessionID")), (Some("session.idle"), Some("s")));
    }

    #[test]
    fn a_payload_that_stands_alone_is_left_as_it_is() {
        let alone = payload(r#"{"hook":"session_end","event":{"sessionId":"s"},"ctx":{}}"#);
        assert_eq!(alone.event, None);
        assert!(alone.fields.has("hook") && alone.fields.has("event") && alone.fields.has("ctx"));
        let odd = payload(r#"{"hook":"x","payload":"no object"}"#);
        assert!(odd.event.is_none() && odd.fields.has("hook"));
    }
}
