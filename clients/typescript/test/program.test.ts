/** With the real daemon: `LASTWORD_PROGRAM` names a built `lastword`. */

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Client } from "../src/index.js";

const program = process.env["LASTWORD_PROGRAM"];
const isCi = (process.env["CI"] ?? "false") !== "false" && process.env["CI"] !== "";
const skip = program || isCi ? false : "LASTWORD_PROGRAM names no `lastword` program";

describe("with the real daemon", { skip }, () => {
  let home: string;
  let daemon: ChildProcess;
  let socket: string;
  let token: string;
  let url: string;

  async function serve(): Promise<void> {
    if (!program) throw new Error("LASTWORD_PROGRAM names no `lastword` program");
    const said = execFileSync(program, ["token", "gateway", "--role", "owner"], { encoding: "utf8" });
    token = said.split("\n")[0] ?? "";
    const tokens = join(home, "tokens.toml");
    writeFileSync(tokens, said.slice(said.indexOf("[[token]]")), { mode: 0o600 });
    const args = [
      "serve",
      "--socket",
      socket,
      "--journal",
      join(home, "journal.db"),
      "--listen",
      "127.0.0.1:0",
      "--tokens",
      tokens,
    ];
    daemon = spawn(program, args, {
      env: { PATH: process.env["PATH"] ?? "", HOME: home },
      stdio: ["ignore", "pipe", "inherit"],
    });
    // One line on stdout says that it is ready.
    const ready = await new Promise<string>((resolve, reject) => {
      daemon.stdout?.once("data", (line: Buffer) => resolve(line.toString()));
      daemon.once("error", reject);
      daemon.once("exit", (code) => reject(new Error(`the daemon has left with ${code}`)));
    });
    url = `http://${(JSON.parse(ready) as { addresses: string[] }).addresses[0]}`;
  }

  async function kill(signal: NodeJS.Signals): Promise<void> {
    const left = new Promise<void>((resolve) => daemon.once("exit", () => resolve()));
    daemon.kill(signal);
    await left;
  }

  before(async () => {
    home = mkdtempSync(join(tmpdir(), "lastword-"));
    socket = join(home, "lastword.sock");
    await serve();
  });

  after(async () => {
    // It may have failed to start.
    if (daemon as ChildProcess | undefined) await kill("SIGTERM");
    rmSync(home, { recursive: true, force: true });
  });

  function client(): Client {
    return new Client({ socket, spool: join(home, "spool"), kind: "test" });
  }

  test("a session is started, compacted and ended, and an end that is sent again is none", async () => {
    const one = client();
    await one.start({ session: { id: "a", cwd: "/w" } });
    await one.compaction({ session: { id: "a" }, phase: "after", message_count: 4 });
    const ended = await one.end({ session: { id: "a" }, reason: "reset" }, { opId: "end-a" });
    assert.deepEqual([ended.generation, ended.code], [1, undefined]);
    const again = await one.end({ session: { id: "a" }, reason: "reset" }, { opId: "end-a" });
    assert.equal(again.code, "duplicate_op");
    const waited = await one.end({ session: { id: "b" } }, { waitMs: 5_000 });
    assert.deepEqual(waited.outcomes, []);
    await one.close();
  });

  test("a goodbye ends the client's own sessions", async () => {
    const [one, other] = [client(), client()];
    await Promise.all([one.start({ session: { id: "mine" } }), other.start({ session: { id: "other" } })]);
    const drain = await one.goodbye({ reason: "restart" });
    assert.deepEqual([drain.reason, drain.sessions, drain.timed_out], ["restart", 1, false]);
    assert.equal((await other.goodbye()).sessions, 1);
    await Promise.all([one.close(), other.close()]);
  });

  test("over TCP a session is started and ended by an owner with a lease", async () => {
    const one = new Client({ url, token, spool: join(home, "spool"), kind: "remote" });
    assert.equal((await one.start({ session: { id: "far" } })).kept, "daemon");
    assert.deepEqual((await one.end({ session: { id: "far" }, reason: "reset" }, { waitMs: 5_000 })).outcomes, []);
    await one.start({ session: { id: "farther" } });
    assert.equal((await one.goodbye()).sessions, 1);
    await one.close();
  });

  test("what is said while the daemon is away is with it when it is back", async () => {
    const one = client();
    await one.start({ session: { id: "away" } }, { opId: "start-away" });
    await kill("SIGKILL");
    const kept = await one.end({ session: { id: "away" } }, { opId: "end-away" });
    assert.equal(kept.kept, "spool");
    await serve();
    // Until the client has noticed, events go behind those of the spool.
    const began = Date.now();
    while ((await one.start({ session: { id: "next" } })).kept === "spool") {
      assert.ok(Date.now() - began < 60_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const again = await one.end({ session: { id: "away" } }, { opId: "end-away" });
    assert.equal(again.code, "duplicate_op");
    await one.close();
  });
});
