import assert from "node:assert/strict";
import { test } from "node:test";

import { isDeeperThan } from "../build/depth.js";

const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);

test("depth is counted, and not how many there are", () => {
  assert.equal(isDeeperThan(3, nested(3)), false);
  assert.equal(isDeeperThan(3, nested(4)), true);
  assert.equal(isDeeperThan(3, '{"a":{"b":[{"c":1}]}}'), true);
  assert.equal(isDeeperThan(3, `[${Array(100).fill("[]").join(",")}]`), false);
});

test("what stands in a text opens nothing", () => {
  assert.equal(isDeeperThan(3, JSON.stringify({ text: nested(100), more: '\\"[[[[[[' })), false);
  assert.equal(isDeeperThan(3, JSON.stringify(["\\", [[["deep"]]]])), true);
});

test("a line with too many marks to look at is taken for deep", () => {
  const wide = (count) => `[${Array(count).fill("[]").join(",")}]`;
  assert.equal(isDeeperThan(3, wide(20_000)), false);
  assert.equal(isDeeperThan(3, wide(30_000)), true);
});

test("a message whose text is a whole file of JSON is as deep as it is, and no deeper", () => {
  const file = JSON.stringify(Array.from({ length: 4_000 }, (_, n) => ({ name: `n${n}\\`, list: [n, "\n"] })));
  const line = JSON.stringify({ type: "assistant", message: { role: "assistant", content: [{ type: "text", text: file }] } });
  assert.equal(isDeeperThan(4, line), false);
  assert.equal(isDeeperThan(3, line.replace("]}}", "[[]]]}}")), true);
});

test("a line that was torn is counted as far as it goes", () => {
  assert.equal(isDeeperThan(3, "[".repeat(200_000)), true);
  assert.equal(isDeeperThan(3, '["[[[[[[[[[['), false);
  assert.equal(isDeeperThan(3, "]".repeat(100) + "[[[["), false);
});
