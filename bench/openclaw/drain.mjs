/**
 * OpenClaw's own drain, as its package has it, in this process: with one handler that does nothing, or posts to a server.
 *
 * `node drain.mjs FOLDER` takes the package's folder. Each line of the input is a drain: `{"sessions": 10000}`, or with `"post": "host:port"`. Each
 * answer is a line that begins with `lastword `: what the package may print besides is none.
 */

import { readdirSync, readFileSync, writeSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

/** OpenClaw has 2 s; here it is to come to its end, and how long that takes is what is measured. In ms. */
const TIMEOUT_MS = 600_000;

/** What a module of the bundle exports a function as: it gives them short names. */
function exportedAs(file, name) {
  const list = readFileSync(file, "utf8").match(/^export \{([^}]*)\};?\s*$/m)?.[1] ?? "";
  const entry = list.split(",").map((entry) => entry.trim().split(" as ")).find(([own]) => own === name);
  if (!entry) throw new Error(`${file} does not export ${name}: OpenClaw's package is built in another way now`);
  return entry.at(-1);
}

async function take(file, name) {
  return (await import(pathToFileURL(file).href))[exportedAs(file, name)];
}

/** The module of the bundle that `file` imports and that is called after a source file. There must be no second one: it would have another state. */
function importOf(file, source) {
  const path = readFileSync(file, "utf8").match(new RegExp(`from "\\./(${source}[^"]*)"`))?.[1];
  if (!path) throw new Error(`${file} does not import ${source}: OpenClaw's package is built in another way now`);
  return join(dirname(file), path);
}

const folder = process.argv[2];
const bundle = join(folder, "dist");
const drains = readdirSync(bundle)
  .filter((name) => /\.m?js$/.test(name))
  .map((name) => join(bundle, name))
  .find((file) => readFileSync(file, "utf8").includes("async function drainActiveSessionsForShutdown("));
if (!drains) throw new Error(`${bundle} has no drain: OpenClaw's package is built in another way now`);
const drain = await take(drains, "drainActiveSessionsForShutdown");
const note = await take(importOf(drains, "active-sessions-shutdown-tracker"), "noteActiveSessionForShutdown");
const initialize = await take(importOf(drains, "hook-runner-global"), "initializeGlobalHookRunner");

const agent = new Agent({ keepAlive: true });
let server;
let called = 0;
let failed = 0;

/** Posts the session's id, as the guest does, and waits for the answer. */
function post(event) {
  return new Promise((resolve, reject) => {
    const [host, port] = server.split(":");
    const sent = request({ host, port, agent, method: "POST", path: "/" }, (answer) => {
      answer.resume().once("end", resolve).once("error", reject);
    });
    sent.once("error", reject);
    // In chunks, as the guest sends it.
    sent.setHeader("transfer-encoding", "chunked");
    sent.end(event.sessionId);
  });
}

async function handler(event) {
  called += 1;
  if (server) await post(event).catch(() => (failed += 1));
}

initialize({
  hooks: [],
  plugins: [{ id: "bench", status: "loaded" }],
  typedHooks: [{ pluginId: "bench", hookName: "session_end", handler, priority: 0, source: "bench" }],
});

const say = (what) => writeSync(1, `lastword ${JSON.stringify(what)}\n`);
const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
say({ version, node: process.versions.node });

for await (const line of createInterface({ input: process.stdin })) {
  const { sessions, post: to } = JSON.parse(line);
  [server, called, failed] = [to, 0, 0];
  for (let n = 0; n < sessions; n++) {
    const sessionId = `30978718-9dbb-47ca-81cf-${String(n).padStart(12, "0")}`;
    // Where nothing is: it looks for a transcript there, as it does for a session that has none yet.
    const storePath = join(tmpdir(), "lastword-bench-nothing", "sessions.json");
    note({ cfg: {}, sessionKey: `agent:main:${n}`, sessionId, storePath, agentId: "main" });
  }
  const began = performance.now();
  const { timedOut } = await drain({ reason: "shutdown", totalTimeoutMs: TIMEOUT_MS });
  say({ ms: performance.now() - began, called, failed, timedOut });
}
process.exit(0);
