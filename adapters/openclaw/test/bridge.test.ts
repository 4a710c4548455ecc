import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { StandIn } from "../../../clients/typescript/test/stand-in.js";
import type { Api, Hook } from "../src/hooks.js";
import plugin from "../src/index.js";

/** What a gateway of 2026.9.6 gave its hooks: three sessions that are reset, then SIGTERM. */
const CAPTURED = fileURLToPath(new URL("../../../../../../tests/data/openclaw-2026.9.6-hooks.ndjson", import.meta.url));

/** Stands in for `lastword stdio --from openclaw FILE`. */
const CHILD = `
const { appendFileSync } = require("node:fs");
const [, , command, from, owner, file] = process.argv;
if (command !== "stdio" || from !== "--from" || owner !== "openclaw") process.exit(2);
const write = (line) => process.stdout.write(JSON.stringify(line) + "\\n");
write({ event: "ready", plugins: [] });
process.on("SIGTERM", () => {
  write({ event: "drain", reason: "shutdown", sessions: 0, delivered: 1, failed: 0, deferred: 0 });
  process.exit(0);
});
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  appendFileSync(file, line + "\\n");
  const said = JSON.parse(line);
  write({ event: "accepted", op: "end", op_id: said.op_id, session: said.event.sessionId, generation: 1, line: 1 });
});
`;

let daemon: StandIn;

beforeEach(() => {
  daemon = new StandIn();
});

afterEach(() => daemon.remove());

/** A gateway that has the plugin. */
function gateway(config: Record<string, unknown> = {}) {
  const handlers = new Map<Hook, (event: object, ctx: object) => void>();
  const log: string[] = [];
  const api: Api = {
    pluginConfig: { socket: daemon.socket, spool: daemon.spool, ...config },
    logger: { info: (message) => log.push(message), warn: (message) => log.push(message) },
    on: (hook, handler) => handlers.set(hook, handler),
  };
  plugin.register(api);
  const call = (hook: Hook, event: object = {}, ctx: object = {}): void => {
    const began = performance.now();
    assert.equal(handlers.get(hook)?.(event, ctx), undefined, "no hook has to be waited for");
    assert.ok(performance.now() - began < 500, `${hook} took long`);
  };
  return { log, call, api };
}

const of = (sessionId: string) => ({ sessionId, sessionKey: `agent:main:${sessionId}` });

test("what a real gateway says reaches the daemon in its order and the outcome its log", async () => {
  await daemon.listen();
  const { call, log } = gateway();
  const said: string[] = [];
  const hooks = new Set(["session_start", "session_end", "gateway_start", "gateway_stop"]);
  for (const line of readFileSync(CAPTURED, "utf8").trim().split("\n")) {
    const { hook, event, ctx } = JSON.parse(line) as { hook: Hook; event: { sessionId?: string }; ctx: object };
    if (!hooks.has(hook)) continue;
    call(hook, event, ctx);
    if (hook.startsWith("session_")) said.push(`${hook} ${event.sessionId}`);
  }
  await daemon.until("the result", () => log.length > 0);
  // The last ends are of different sessions, and each has a connection of its own.
  assert.deepEqual(daemon.story.slice(0, 6), said.slice(0, 6));
  assert.deepEqual(daemon.story.slice(6).sort(), said.slice(6).sort());
  assert.match(log[0] ?? "", /^lastword: 4 sessions have ended: 4 deliveries made, 0 given up, 0 owed, in \d+ ms$/);
  const posts = daemon.requests.filter(({ method }) => method === "POST");
  assert.ok(posts.every(({ path, query }) => path === "/v1/hooks/openclaw" && query.get("kind") === "openclaw"));
  assert.ok(posts.every(({ query }) => query.get("pid") === String(process.pid) && query.get("start_time") !== null));
  const last = daemon.requests.at(-1);
  assert.deepEqual([last?.method, last?.query.get("reason")], ["DELETE", "shutdown"]);
});

test("the payload goes as it is without what is not text, a number or a boolean", async () => {
  await daemon.listen();
  const { call } = gateway();
  const messages = Array.from({ length: 1_000 }, () => ({ text: "x".repeat(1_000) }));
  call(
    "before_compaction",
    { messageCount: 40, compactingCount: 31, messages },
    { ...of("s"), agentId: "main", config: { secret: "made-up" } },
  );
  await daemon.until("the event", () => daemon.events.length === 1);
  const { t, op_id, ...said } = JSON.parse(daemon.requests.at(-1)?.body ?? "") as Record<string, unknown>;
  assert.equal(typeof t, "number");
  assert.equal(op_id, daemon.events[0]?.said.op_id);
  assert.deepEqual(said, {
    hook: "before_compaction",
    event: { messageCount: 40, compactingCount: 31 },
    ctx: { sessionId: "s", sessionKey: "agent:main:s", agentId: "main" },
  });
});

test("a restart is said as such and the gateway that comes behind it in the same process is served", async () => {
  await daemon.listen();
  const { call, log } = gateway();
  call("gateway_start");
  call("session_start", of("a"));
  call("gateway_stop", { reason: "gateway restarting" });
  call("session_end", { ...of("a"), reason: "restart" });
  await daemon.until("the result", () => log.length > 0);
  assert.equal(daemon.requests.at(-1)?.query.get("reason"), "restart");
  call("gateway_start");
  call("session_start", of("b"));
  await daemon.until("the next start", () => daemon.story.at(-1) === "session_start b");
});

test("a plugin that is replaced ends nothing and the next one goes on with the same connection", async () => {
  await daemon.listen();
  const first = gateway();
  first.call("session_start", of("a"));
  first.call("gateway_stop", { reason: "plugin replacement" });
  const second = gateway();
  second.call("gateway_start");
  second.call("session_end", { ...of("a"), reason: "reset" });
  await daemon.until("the end", () => daemon.story.at(-1) === "session_end a");
  assert.deepEqual(
    daemon.requests.map(({ method }) => method),
    ["PUT", "POST", "POST"],
  );
  assert.deepEqual([...first.log, ...second.log], []);
});

test("sessions that the gateway leaves open get no goodbye before their ends", async () => {
  await daemon.listen();
  const { call, log } = gateway();
  call("session_start", of("a"));
  call("session_start", of("b"));
  call("gateway_stop", { reason: "gateway stopping" });
  call("session_end", { ...of("a"), reason: "shutdown" });
  await daemon.until("the end", () => daemon.story.includes("session_end a"));
  assert.ok(daemon.requests.every(({ method }) => method !== "DELETE"));
  call("session_end", { ...of("b"), reason: "shutdown" });
  await daemon.until("the result", () => log.length > 0);
  assert.equal(daemon.requests.at(-1)?.method, "DELETE");
});

test("a gateway that stops without a daemon has its ends in the spool and says so", async () => {
  const { call, log } = gateway();
  call("gateway_start");
  call("session_start", of("a"));
  call("gateway_stop", { reason: "gateway stopping" });
  call("session_end", { ...of("a"), reason: "shutdown" });
  await daemon.until("the result", () => log.some((line) => line.includes("in the spool")));
  const [file] = readdirSync(daemon.spool);
  const spooled = readFileSync(join(daemon.spool, file ?? ""), "utf8");
  assert.match(spooled, /session_start[^]*session_end/);
});

test("a command that loads the plugin connects to nothing", async () => {
  await daemon.listen();
  const { call } = gateway();
  call("gateway_stop", { reason: "cli message action complete" });
  assert.equal(daemon.requests.length, 0);
  assert.ok(!existsSync(daemon.spool));
});

test("a child is told what the hooks say and its drain is the result", async () => {
  const told = join(daemon.directory, "told.ndjson");
  const program = join(daemon.directory, "lastword");
  writeFileSync(program, `#!${process.execPath}\n${CHILD}`, { mode: 0o755 });
  const { call, log } = gateway({ program, args: [told], socket: undefined });
  call("gateway_start");
  call("session_start", of("a"));
  call("gateway_stop", { reason: "gateway stopping" });
  call("session_end", { ...of("a"), reason: "shutdown" });
  await daemon.until("the result", () => log.length > 0);
  assert.match(log[0] ?? "", /^lastword: 1 sessions have ended: 1 deliveries made/);
  const lines = readFileSync(told, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { hook: string });
  assert.deepEqual(
    lines.map(({ hook }) => hook),
    ["session_start", "session_end"],
  );
});
