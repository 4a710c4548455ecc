//! Anthropic's messages.

use serde_json::{Value, json};

use super::api::{Answer, typed_events};

pub(super) fn answer(model: &str, is_stream: bool) -> Answer {
    let content = json!([{"type": "text", "text": "ok"}]);
    if is_stream {
        return typed_events(&[
            json!({"type": "message_start", "message": message(model, &json!([]), &Value::Null)}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ok"}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": 2},
            }),
            json!({"type": "message_stop"}),
        ]);
    }
    Answer::json(&message(model, &content, &json!("end_turn")))
}

fn message(model: &str, content: &Value, stop_reason: &Value) -> Value {
    json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    })
}
