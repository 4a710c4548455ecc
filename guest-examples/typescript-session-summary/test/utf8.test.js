import assert from "node:assert/strict";
import { test } from "node:test";

import { utf8 } from "../build/utf8.js";

test("text becomes the same bytes as everywhere", () => {
  for (const text of ["", "plain", "100 % grüß €", "🚀 \n\u0000"]) {
    assert.deepEqual(utf8(text), new TextEncoder().encode(text));
  }
});

test("half a surrogate pair is replaced, not an exception", () => {
  assert.deepEqual(utf8("a\ud83d"), new TextEncoder().encode("a\ufffd"));
});
