//! Which API a request is of, and the form of an answer.

use serde_json::Value;

use super::{anthropic, gemini, openai};

/// Where agents ask a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Anthropic,
    Gemini,
    OpenAiChat,
    OpenAiResponses,
}

/// The body of an answer, and its content type.
pub(super) struct Answer {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(value: &Value) -> Self {
        Self { kind: "application/json", text: value.to_string() }
    }

    pub(super) fn stream(text: String) -> Self {
        Self { kind: "text/event-stream", text }
    }
}

impl Api {
    pub(super) fn of(path: &str) -> Option<Self> {
        if path.contains("count") {
            return None;
        }
        let apis = [
            ("enerateContent", Self::Gemini),
            ("/messages", Self::Anthropic),
            ("/chat/completions", Self::OpenAiChat),
            ("/responses", Self::OpenAiResponses),
        ];
        apis.into_iter().find(|(part, _)| path.contains(part)).map(|(_, api)| api)
    }

    pub(super) fn answer(self, path: &str, asked: &Value) -> Answer {
        let model = asked["model"].as_str().unwrap_or("stand-in");
        let is_stream = asked["stream"].as_bool().unwrap_or(false);
        match self {
            Self::Gemini => gemini::answer(path.contains("streamGenerateContent")),
            Self::Anthropic => anthropic::answer(model, is_stream),
            Self::OpenAiChat => openai::chat(model, is_stream),
            Self::OpenAiResponses => openai::responses(model, is_stream),
        }
    }
}

/// One server-sent event for each value, named after its `type`.
pub(super) fn typed_events(values: &[Value]) -> Answer {
    let event = |value: &Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default());
    Answer::stream(values.iter().map(event).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_of_the_api_whose_path_it_has() {
        assert_eq!(Api::of("/v1beta/models/gemini-2.5-flash:streamGenerateContent"), Some(Api::Gemini));
        assert_eq!(Api::of("/v1/messages"), Some(Api::Anthropic));
        assert_eq!(Api::of("/v1/chat/completions"), Some(Api::OpenAiChat));
        assert_eq!(Api::of("/v1/responses"), Some(Api::OpenAiResponses));
        assert_eq!(Api::of("/v1/messages/count_tokens"), None, "that is not a turn");
        assert_eq!(Api::of("/v1beta/models/x:countTokens"), None);
    }

    #[test]
    fn a_stream_has_an_event_for_each_value() {
        let answer = typed_events(&[serde_json::json!({"type": "a", "n": 1}), serde_json::json!({"type": "b"})]);
        assert_eq!(answer.kind, "text/event-stream");
        assert!(answer.text.starts_with("event: a\ndata: {") && answer.text.ends_with("data: {\"type\":\"b\"}\n\n"));
    }
}
