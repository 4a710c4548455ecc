/** What a real gateway said, told to the real program: `LASTWORD_PROGRAM` names a built `lastword`. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import type { Api, Hook } from "../src/hooks.js";
import plugin from "../src/index.js";

const CAPTURED = fileURLToPath(new URL("../../../../../../tests/data/openclaw-2026.9.6-hooks.ndjson", import.meta.url));

const program = process.env["LASTWORD_PROGRAM"];
const isCi = (process.env["CI"] ?? "false") !== "false" && process.env["CI"] !== "";
const skip = program || isCi ? false : "LASTWORD_PROGRAM names no `lastword` program";

/** Three resets, each an end and a start, and three ends at the exit. */
const RESULT = /^lastword: 3 sessions have ended: 0 deliveries made, 0 given up, 0 owed, in \d+ ms$/;

describe("with the real program", { skip }, () => {
  let home: string;

  before(() => {
    if (!program) throw new Error("LASTWORD_PROGRAM names no `lastword` program");
    home = mkdtempSync(join(tmpdir(), "lastword-"));
  });

  after(() => rmSync(home, { recursive: true, force: true }));

  /** Says what the gateway said, and gives the log when the result is there. */
  async function told(config: Record<string, unknown>): Promise<string[]> {
    const handlers = new Map<Hook, (event: object, ctx: object) => void>();
    const log: string[] = [];
    const api: Api = {
      pluginConfig: { spool: join(home, "spool"), budgetMs: 20_000, ...config },
      logger: { info: (message) => log.push(message), warn: (message) => log.push(message) },
      on: (hook, handler) => handlers.set(hook, handler),
    };
    plugin.register(api);
    for (const line of readFileSync(CAPTURED, "utf8").trim().split("\n")) {
      const { hook, event, ctx } = JSON.parse(line) as { hook: Hook; event: object; ctx: object };
      handlers.get(hook)?.(event, ctx);
    }
    const began = Date.now();
    while (!log.some((line) => line.includes("have ended"))) {
      if (Date.now() - began > 60_000) throw new Error(`no result: ${log.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return log;
  }

  test("the daemon has each end and no session is left", async () => {
    const socket = join(home, "lastword.sock");
    const daemon = spawn(program ?? "", ["serve", "--socket", socket, "--journal", join(home, "journal.db")], {
      env: { PATH: process.env["PATH"] ?? "", HOME: home },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    daemon.stderr.on("data", (text: Buffer) => (said += text.toString()));
    await new Promise<void>((resolve) => daemon.stdout.once("data", () => resolve()));
    const left = new Promise<number | null>((resolve) => daemon.once("close", resolve));
    try {
      const log = await told({ socket });
      assert.equal(log.length, 1, log.join("\n"));
      assert.match(log[0] ?? "", RESULT);
    } finally {
      daemon.kill("SIGTERM");
    }
    assert.equal(await left, 0);
    assert.match(said, /"message":"drained in [^"]*"[^}]*"sessions":0/);
  });

  test("a child that is no daemon has each end as well", async () => {
    const log = await told({ program, args: ["--journal", join(home, "child.db")] });
    assert.equal(log.length, 1, log.join("\n"));
    assert.match(log[0] ?? "", RESULT);
  });
});
