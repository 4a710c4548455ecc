import assert from "node:assert/strict";
import { test } from "node:test";

import { Tally, summarise } from "../build/summary.js";

const EVENT = {
  session: { tenant: "acme", id: "s1", generation: 2, agentId: "main", startedAt: "2026-11-21T07:00:00.000Z" },
  reason: { tag: "reset" },
  endedAt: "2026-11-21T07:12:30.000Z",
  durationMs: 750_000,
};

function tally(...lines) {
  const tally = new Tally();
  for (const line of lines) tally.add(typeof line === "string" ? line : JSON.stringify(line));
  return tally;
}

test("messages of Claude Code are counted by who said them", () => {
  const counted = tally(
    { type: "file-history-snapshot", messageId: "m0" },
    { type: "user", timestamp: "2026-11-21T07:00:01.000Z", message: { role: "user", content: "Hello" } },
    // One answer in two lines.
    { type: "assistant", timestamp: "2026-11-21T07:00:02.000Z", message: { id: "m1", role: "assistant", model: "a-model", content: [{ type: "text", text: "Hi" }] } },
    { type: "assistant", timestamp: "2026-11-21T07:00:03.000Z", message: { id: "m1", role: "assistant", model: "a-model", content: [{ type: "tool_use", name: "Bash" }] } },
    { type: "user", timestamp: "2026-11-21T07:00:04.000Z", message: { role: "user", content: [{ type: "tool_result", content: "x" }] } },
    { type: "user", timestamp: "2026-11-21T07:00:05.000Z", message: { role: "user", content: [{ type: "text", text: "Thanks" }] } },
  );
  assert.deepEqual(counted.messages, { user: 2, assistant: 1, tool: 1, other: 0 });
  assert.deepEqual([...counted.models], ["a-model"]);
  assert.equal(counted.firstAt, "2026-11-21T07:00:01.000Z");
  assert.equal(counted.lastAt, "2026-11-21T07:00:05.000Z");
});

test("messages of OpenClaw are counted by who said them", () => {
  const counted = tally(
    { type: "session", version: 3, id: "s1", timestamp: "2026-11-21T07:00:00.000Z", cwd: "/w" },
    { type: "message", id: "e1", timestamp: "2026-11-21T07:00:01.000Z", message: { role: "user", content: "Hello" } },
    { type: "message", id: "e2", timestamp: "2026-11-21T07:00:02.000Z", message: { role: "assistant", content: [] } },
    { type: "message", id: "e3", timestamp: "2026-11-21T07:00:03.000Z", message: { role: "toolResult", content: [] } },
  );
  assert.deepEqual(counted.messages, { user: 1, assistant: 1, tool: 1, other: 0 });
});

test("a line that is no JSON is counted and skipped, whatever else a line is", () => {
  const counted = tally("", "null", "7", '"text"', "[]", '{"message":null}', '{"message":{"role":"user","con');
  assert.equal(counted.unreadableLines, 1);
  assert.deepEqual(counted.messages, { user: 0, assistant: 0, tool: 0, other: 0 });
});

test("a summary is complete without a transcript", () => {
  const summary = summarise(EVENT, new Tally(), "absent", new Date(0));
  assert.deepEqual(JSON.parse(JSON.stringify(summary)), {
    session: "s1",
    generation: 2,
    agent: "main",
    reason: "reset",
    startedAt: "2026-11-21T07:00:00.000Z",
    endedAt: "2026-11-21T07:12:30.000Z",
    durationMs: 750_000,
    transcript: "absent",
    messages: { user: 0, assistant: 0, tool: 0, other: 0 },
    models: [],
    firstAt: null,
    lastAt: null,
    unreadableLines: 0,
    summarisedAt: "1970-01-01T00:00:00.000Z",
  });
});

test("an owner's own word for the reason is kept", () => {
  const summary = summarise({ ...EVENT, reason: { tag: "other", val: "lunch" } }, new Tally(), "whole", new Date(0));
  assert.equal(summary.reason, "lunch");
});
