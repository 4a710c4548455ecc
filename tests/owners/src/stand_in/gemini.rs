//! Gemini's `generateContent` and `streamGenerateContent`.

use serde_json::json;

use super::api::Answer;

pub(super) fn answer(is_stream: bool) -> Answer {
    let content = json!({"role": "model", "parts": [{"text": "ok"}]});
    let answer = json!({
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6},
        "modelVersion": "stand-in",
        "responseId": "r1",
    });
    if is_stream { Answer::stream(format!("data: {answer}\r\n\r\n")) } else { Answer::json(&answer) }
}
