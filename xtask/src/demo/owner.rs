//! What the owner says: lines as an OpenClaw gateway's plugin is called with.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

/// Lines captured from a real gateway.
pub(super) struct Captured {
    /// Everything until the gateway began to stop. What it sent after that, its sessions' ends, is left to the drain.
    pub(super) until_stop: Vec<String>,
}

impl Captured {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not what was captured", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut until_stop = Vec::new();
        for line in text.lines() {
            if hook(line)? == "gateway_stop" {
                return Ok(Self { until_stop });
            }
            until_stop.push(line.to_owned());
        }
        anyhow::bail!("there is no gateway_stop in it")
    }

    pub(super) fn starts(&self) -> impl Iterator<Item = &String> {
        self.until_stop.iter().filter(|line| is(line, "session_start"))
    }

    pub(super) fn ends(&self) -> impl Iterator<Item = &String> {
        self.until_stop.iter().filter(|line| is(line, "session_end"))
    }
}

/// `count` starts of the captured ones' shape.
pub(super) fn made_up(count: usize) -> Vec<String> {
    (1..=count)
        .map(|n| {
            let (id, key) = (format!("made-up-{n:02}"), format!("agent:main:made-up-{n:02}"));
            json!({
                "t": 1_795_240_426_400_u64,
                "hook": "session_start",
                "event": { "sessionId": id, "sessionKey": key },
                "ctx": { "sessionId": id, "sessionKey": key, "agentId": "main" },
            })
            .to_string()
        })
        .collect()
}

/// How many hook calls `lines` must lead to, when one plugin wants every start and end.
pub(super) fn calls(lines: &[String]) -> usize {
    lines.iter().filter(|line| is(line, "session_start") || is(line, "session_end")).count()
}

/// How many sessions are open after `lines`.
pub(super) fn open_sessions(lines: &[String]) -> usize {
    lines.iter().filter(|line| is(line, "session_start")).count()
}

fn is(line: &str, name: &str) -> bool {
    hook(line).is_ok_and(|hook| hook == name)
}

fn hook(line: &str) -> anyhow::Result<String> {
    let value: Value = serde_json::from_str(line)?;
    let hook = value.get("hook").and_then(Value::as_str).unwrap_or_default();
    ensure!(!hook.is_empty(), "a line without a hook: {line}");
    Ok(hook.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &str = include_str!("../../../tests/data/openclaw-2026.9.6-hooks.ndjson");

    #[test]
    fn the_captured_gateway_is_stopped_with_three_sessions_open() {
        let captured = Captured::parse(CAPTURED).unwrap();
        assert_eq!((captured.ends().count(), captured.starts().count()), (3, 3));
        assert_eq!(captured.until_stop.len(), 13, "the ends that came after gateway_stop are not replayed");
    }

    #[test]
    fn made_up_starts_have_the_captured_ones_shape() {
        fn shape(line: &str) -> Vec<String> {
            let value: Value = serde_json::from_str(line).unwrap();
            let names = |part: &Value| part.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            [names(&value), names(&value["ctx"])].concat()
        }
        let captured = Captured::parse(CAPTURED).unwrap();
        for line in &made_up(2) {
            assert_eq!(shape(line), shape(captured.starts().next().unwrap()));
        }
        assert_eq!(calls(&made_up(12)), 12);
    }
}
