//! OpenAI's chat completions and responses.

use serde_json::{Value, json};

use super::api::{Answer, typed_events};

pub(super) fn chat(model: &str, is_stream: bool) -> Answer {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6});
    if is_stream {
        let chunk = |choices: Value, usage: &Value| {
            let kind = "chat.completion.chunk";
            let chunk =
                json!({"id": "c1", "object": kind, "created": 1, "model": model, "choices": choices, "usage": usage});
            format!("data: {chunk}\n\n")
        };
        let choice =
            |delta: Value, finish: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let chunks = [
            chunk(choice(json!({"role": "assistant", "content": "ok"}), None), &Value::Null),
            chunk(choice(json!({}), Some("stop")), &Value::Null),
            chunk(json!([]), &usage),
            "data: [DONE]\n\n".to_owned(),
        ];
        return Answer::stream(chunks.concat());
    }
    let message = json!({"role": "assistant", "content": "ok"});
    Answer::json(&json!({
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }))
}

pub(super) fn responses(model: &str, is_stream: bool) -> Answer {
    let item = |status: &str, content: Value| {
        let (kind, role) = ("message", "assistant");
        json!({"id": "msg_1", "type": kind, "role": role, "status": status, "content": content})
    };
    let whole = item("completed", json!([{"type": "output_text", "text": "ok", "annotations": []}]));
    let response = |status: &str, output: Value, usage: Value| {
        json!({
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": status,
            "model": model,
            "output": output,
            "usage": usage,
        })
    };
    let usage = json!({
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 6,
    });
    let done = response("completed", json!([whole]), usage);
    if !is_stream {
        return Answer::json(&done);
    }
    let begun = response("in_progress", json!([]), Value::Null);
    let empty = item("in_progress", json!([]));
    let numbered = |(number, mut value): (usize, Value)| {
        value["sequence_number"] = json!(number);
        value
    };
    let values = [
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": empty}),
        json!({
            "type": "response.output_text.delta",
            "item_id": "msg_1",
            "output_index": 0,
            "content_index": 0,
            "delta": "ok",
        }),
        json!({"type": "response.output_item.done", "output_index": 0, "item": whole}),
        json!({"type": "response.completed", "response": done}),
    ];
    let values: Vec<Value> = values.into_iter().enumerate().map(numbered).collect();
    typed_events(&values)
}
