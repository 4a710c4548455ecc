/**
 * With OpenClaw's own gateway, and the real daemon if `LASTWORD_PROGRAM` names a `lastword`. `npm run trial` runs it:
 * it takes minutes, and OpenClaw, so it is no part of `npm test`. Times are compared with those of the same gateway
 * without the plugin.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { StandIn } from "../../../clients/typescript/test/stand-in.js";
import { RealGateway, lacks } from "./real-gateway.js";

const program = process.env["LASTWORD_PROGRAM"];
const why = process.env["LASTWORD_TRIAL"] ? await lacks() : "npm run trial runs it";

/** How much later a gateway may leave, in ms: its own times differ by some 200 ms from run to run. */
const SLACK_MS = 1_000;

const RESULT = /lastword: \d+ sessions have ended: \d+ deliveries made, 0 given up, 0 owed/;

describe("OpenClaw's own gateway", { skip: why ?? false }, () => {
  let usual = 0;

  before(async () => {
    const gateway = new RealGateway();
    await gateway.start();
    await gateway.session("a");
    usual = (await gateway.leaves("SIGTERM")).ms;
    await gateway.remove();
  });

  async function withStandIn(
    run: (gateway: RealGateway, daemon: StandIn, config: Record<string, unknown>) => Promise<void>,
  ): Promise<void> {
    const [gateway, daemon] = [new RealGateway(), new StandIn()];
    await daemon.listen();
    const config = { socket: daemon.socket, spool: daemon.spool };
    try {
      await gateway.start(config);
      await run(gateway, daemon, config);
    } finally {
      await gateway.remove();
      await daemon.remove();
    }
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} ends its sessions, says the result and delays nothing`, async () => {
      await withStandIn(async (gateway, daemon) => {
        await gateway.session("a");
        await gateway.session("b");
        await daemon.until("the resets", () => daemon.events.length === 4);
        assert.deepEqual(
          daemon.events.map(({ said }) => said.op),
          ["session_end", "session_start", "session_end", "session_start"],
        );
        const { how, ms } = await gateway.leaves(signal);
        assert.equal(how, 0, gateway.text);
        assert.deepEqual(
          daemon.events.slice(4).map(({ said }) => said.op),
          ["session_end", "session_end"],
        );
        assert.match(gateway.text, RESULT);
        assert.ok(ms < usual + SLACK_MS, `it left in ${ms} ms, and in ${usual} ms without the plugin`);
      });
    });
  }

  test("a restart in the same process is said as such and the plugin goes on", async () => {
    await withStandIn(async (gateway, daemon) => {
      await gateway.session("a");
      await gateway.restart();
      const goodbye = daemon.requests.find(({ method }) => method === "DELETE");
      assert.equal(goodbye?.query.get("reason"), "restart", gateway.text);
      const seen = daemon.events.length;
      await gateway.session("b");
      await daemon.until("the next session", () => daemon.events.length >= seen + 2);
    });
  });

  test("a plugin of the daemon that does not come back holds up no exit", async () => {
    await withStandIn(async (gateway, daemon) => {
      await gateway.session("a");
      daemon.hold = ({ query }) => (query.has("wait") ? new Promise(() => {}) : Promise.resolve());
      const { how, ms } = await gateway.leaves("SIGTERM");
      assert.equal(how, 0, gateway.text);
      await daemon.until("the end", () => daemon.requests.some(({ query }) => query.has("wait")));
      assert.ok(ms < usual + SLACK_MS, `it left in ${ms} ms, and in ${usual} ms without the plugin`);
    });
  });

  test("a daemon that hangs holds up no exit and what it did not answer is handed over at the next start", async () => {
    await withStandIn(async (gateway, daemon, config) => {
      await gateway.session("a");
      await daemon.until("the reset", () => daemon.events.length === 2);
      daemon.hold = () => new Promise(() => {});
      const { ms } = await gateway.leaves("SIGTERM");
      assert.ok(ms < usual + SLACK_MS, `it left in ${ms} ms, and in ${usual} ms without the plugin`);
      daemon.hold = () => Promise.resolve();
      await gateway.start(config);
      await daemon.until("the end", () => daemon.story.length === 3);
      assert.equal(daemon.events[2]?.said.op, "session_end");
    });
  });

  test("SIGKILL and a start without a daemon lose nothing that was said", async () => {
    const [gateway, daemon] = [new RealGateway(), new StandIn()];
    const config = { socket: daemon.socket, spool: daemon.spool };
    try {
      await gateway.start(config);
      await gateway.session("a");
      // Events are on the disk a second after the daemon was found to be away; a reset takes longer than that.
      await gateway.session("b");
      await gateway.leaves("SIGKILL");
      await daemon.listen();
      await gateway.start(config);
      await daemon.until("the first session", () => daemon.events.length >= 2);
      assert.deepEqual(
        daemon.events.slice(0, 2).map(({ said }) => said.op),
        ["session_end", "session_start"],
      );
      const owner = daemon.requests.find(({ method }) => method === "POST")?.query.get("pid");
      assert.notEqual(owner, null, "they are the dead process's");
    } finally {
      await gateway.remove();
      await daemon.remove();
    }
  });

  describe("with the real daemon", { skip: program ? false : "LASTWORD_PROGRAM names no `lastword` program" }, () => {
    const places = new StandIn();
    let daemon: ChildProcess;

    before(async () => {
      const args = ["serve", "--socket", places.socket, "--journal", join(places.directory, "journal.db")];
      daemon = spawn(program ?? "", args, {
        env: { HOME: places.directory, PATH: process.env["PATH"] ?? "" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      await new Promise<void>((resolve) => daemon.stdout?.once("data", () => resolve()));
    });

    after(async () => {
      const left = new Promise((resolve) => daemon.once("exit", resolve));
      daemon.kill("SIGTERM");
      await left;
      await places.remove();
    });

    async function active(): Promise<number> {
      return new Promise((resolve, reject) => {
        const asked = request({ socketPath: places.socket, path: "/v1/sessions" }, (response) => {
          let text = "";
          response.on("data", (piece: Buffer) => (text += piece));
          response.on("end", () => resolve((JSON.parse(text) as { sessions: unknown[] }).sessions.length));
        });
        asked.on("error", reject);
        asked.end();
      });
    }

    async function untilActive(wanted: number): Promise<void> {
      const began = Date.now();
      for (let seen = await active(); seen !== wanted; seen = await active()) {
        if (Date.now() - began > 60_000) throw new Error(`${seen} sessions are active, not ${wanted}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }

    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      test(`no session of the gateway is active after ${signal}`, async () => {
        const gateway = new RealGateway();
        try {
          await gateway.start({ socket: places.socket, spool: places.spool });
          await gateway.session("a");
          await gateway.session("b");
          await untilActive(2);
          const { ms } = await gateway.leaves(signal);
          await untilActive(0);
          if (signal === "SIGTERM") {
            assert.match(gateway.text, RESULT);
            assert.ok(ms < usual + SLACK_MS, `it left in ${ms} ms, and in ${usual} ms without the plugin`);
          }
        } finally {
          await gateway.remove();
        }
      });
    }
  });
});
