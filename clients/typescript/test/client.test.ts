import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { Client, type ClientOptions, LastwordError } from "../src/index.js";
import { StandIn } from "./stand-in.js";

let daemon: StandIn;
let clients: Client[];

beforeEach(() => {
  daemon = new StandIn();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) await client.close();
  await daemon.remove();
});

function client(options: ClientOptions = {}): Client {
  const made = new Client({ socket: daemon.socket, spool: daemon.spool, kind: "test", ...options });
  clients.push(made);
  return made;
}

const session = (id: string) => ({ session: { id } });

test("events reach the daemon in their order on one connection and each is answered", async () => {
  await daemon.listen();
  const one = client();
  const answers = await Promise.all([
    one.start({ session: { id: "a", cwd: "/w" }, source: "startup" }),
    one.start(session("b")),
    one.compaction({ ...session("a"), phase: "before", message_count: 40 }),
    one.end({ ...session("a"), reason: "reset" }),
    one.end(session("b")),
  ]);
  assert.deepEqual(daemon.story, ["start a", "start b", "compaction a", "end a", "end b"]);
  assert.deepEqual(new Set(daemon.events.map(({ connection }) => connection)), new Set([1]));
  assert.ok(answers.every(({ kept, generation }) => kept === "daemon" && generation === 1));
  assert.equal(new Set(daemon.events.map(({ said }) => said.op_id)).size, 5);
});

test("what is unanswered when the connection breaks is sent again under the same name", async () => {
  await daemon.listen();
  let cuts = 2;
  daemon.reply = ({ op }) => (op === "end" && (cuts -= 1) >= 0 ? "cut" : "accept");
  const one = client();
  const answers = await Promise.all([one.end(session("a")), one.end(session("b"))]);
  assert.ok(answers.every(({ kept }) => kept === "daemon"));
  const ids = daemon.events.filter(({ said }) => said.session.id === "a").map(({ said }) => said.op_id);
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
});

test("an event that the daemon cannot write down now is sent again before what follows it and a wrong one is refused", async () => {
  await daemon.listen();
  let full = 1;
  daemon.reply = ({ session: { id } }) => {
    if (id === "bad") return { code: "empty_id" };
    return id === "late" && (full -= 1) >= 0 ? { code: "journal" } : "accept";
  };
  const one = client();
  const bad = one.end(session("bad"));
  const late = one.start(session("late"));
  const behind = one.end(session("late"));
  await assert.rejects(bad, (error: LastwordError) => error.code === "empty_id");
  assert.deepEqual([(await late).kept, (await behind).kept], ["daemon", "daemon"]);
  assert.deepEqual(
    daemon.story.filter((line) => line.endsWith("late")),
    ["start late", "start late", "end late"],
  );
});

test("while the daemon is away events go to a private file and from there to the daemon before what is newer", async () => {
  const one = client();
  const answers = await Promise.all([one.start(session("a")), one.end(session("a")), one.start(session("b"))]);
  assert.deepEqual(
    answers.map(({ kept }) => kept),
    ["spool", "spool", "spool"],
  );
  const [file] = readdirSync(daemon.spool);
  assert.equal(statSync(join(daemon.spool, file ?? "")).mode & 0o777, 0o600);
  assert.equal(statSync(daemon.spool).mode & 0o777, 0o700);
  await daemon.listen();
  await one.end(session("b"));
  await daemon.until("all of it", () => daemon.story.includes("end b"));
  const seen = daemon.story.filter((line, at, all) => all.indexOf(line) === at);
  assert.deepEqual(seen, ["start a", "end a", "start b", "end b"]);
  assert.deepEqual(
    daemon.events.slice(0, 3).map(({ said }) => said.op_id),
    answers.map(({ opId }) => opId),
  );
  await daemon.until("the file's end", () => readdirSync(daemon.spool).length === 0);
  assert.equal((await one.end(session("c"))).kept, "daemon");
});

test("the spool of a process that is gone is taken in on a connection of its own which then ends", async () => {
  mkdirSync(daemon.spool, { recursive: true });
  const owner = { name: "gone", kind: "test", pid: 4_194_999, startTime: 1, bootId: "another" };
  const event = (op: string, id: string) => ({
    op_id: `${op}-${id}`,
    session: `default/${id}`,
    route: "/v1/events",
    event: JSON.stringify({ op, op_id: `${op}-${id}`, session: { id } }),
  });
  const lines = [
    { lastword_spool: 1, target: `unix:${daemon.socket}`, owner },
    event("start", "x"),
    event("end", "x"),
    event("start", "y"),
  ];
  writeFileSync(
    join(daemon.spool, "test-4194999-1-1.ndjson"),
    `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{"op_id":"torn`,
  );
  const elsewhere = `${JSON.stringify({ lastword_spool: 1, target: "unix:/elsewhere", owner })}\n`;
  writeFileSync(join(daemon.spool, "test-4194999-1-2.ndjson"), elsewhere);
  await daemon.listen();
  const problems: Error[] = [];
  const one = client({ onProblem: (problem) => problems.push(problem) });
  await one.start(session("a"));
  assert.deepEqual(daemon.story, ["start x", "end x", "start y", "start a"]);
  const connections = daemon.events.map(({ connection }) => connection);
  assert.equal(new Set(connections.slice(0, 3)).size, 1);
  assert.notEqual(connections[0], connections[3]);
  await daemon.until("the end of the dead process's connection", () => daemon.closed.includes(connections[0] ?? 0));
  assert.match(problems[0]?.message ?? "", /1 lines cannot be read/);
  assert.equal(
    readFileSync(join(daemon.spool, "test-4194999-1-2.ndjson"), "utf8"),
    elsewhere,
    "another daemon's is left alone",
  );
});

test("what a client has not been answered when it closes is in the spool", async () => {
  await daemon.listen();
  daemon.reply = () => "silence";
  const first = client();
  const answer = first.end(session("a"));
  await daemon.until("the end", () => daemon.events.length === 1);
  await first.close();
  assert.equal((await answer).kept, "spool");
  await assert.rejects(first.end(session("b")), (error: LastwordError) => error.code === "closed");
  daemon.reply = () => "accept";
  const second = client();
  await second.end(session("c"));
  assert.deepEqual(daemon.story, ["end a", "end a", "end c"]);
  assert.equal(new Set(daemon.events.slice(0, 2).map(({ said }) => said.op_id)).size, 1);
});

test("a process that leaves at once has what was not answered on the disk", async () => {
  await daemon.listen();
  daemon.reply = () => "silence";
  const first = client();
  void first.end(session("a"));
  await daemon.until("the end", () => daemon.events.length === 1);
  first.exit();
  await daemon.stop();
  const [file] = readdirSync(daemon.spool);
  assert.match(readFileSync(join(daemon.spool, file ?? ""), "utf8"), /"op_id":"[^"]+","session":"default\/a"/);
});

test("who is about to leave has what cannot be sent on the disk at once", { timeout: 60_000 }, async () => {
  const one = client();
  one.hurry();
  const began = performance.now();
  assert.equal((await one.end(session("a"))).kept, "spool");
  assert.ok(performance.now() - began < 1_000);
});

test("the queue and the spool have bounds and who does not fit is told", async () => {
  const one = client();
  const text = "x".repeat(1_000_000);
  const kept: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    const sent = Array.from({ length: 10 }, (_, at) => one.end({ ...session(`${round}-${at}`), text }));
    for (const result of await Promise.allSettled(sent)) {
      kept.push(result.status === "fulfilled" ? result.value.kept : (result.reason as LastwordError).code);
    }
  }
  assert.equal(kept.filter((how) => how === "spool").length, 16);
  assert.equal(kept.filter((how) => how === "spool_full").length, 14);
  const many = Array.from({ length: 10_001 }, (_, at) => one.end(session(String(at))));
  await assert.rejects(many[10_000] ?? Promise.resolve(), (error: LastwordError) => error.code === "queue_full");
  await assert.rejects(
    one.end({ ...session("long"), text: "x".repeat(1_100_000) }),
    (error: LastwordError) => error.code === "event_too_long",
  );
  await Promise.allSettled(many);
});

test("sessions that are active are started again on the next connection because the connection is their owner", async () => {
  await daemon.listen();
  const one = client();
  await Promise.all([one.start({ session: { id: "a", cwd: "/w" } }), one.start(session("b"))]);
  await one.end(session("b"));
  await daemon.stop();
  await daemon.listen();
  await daemon.until("the second start", () => daemon.events.length === 4);
  const again = daemon.events[3];
  assert.deepEqual([again?.said.op, again?.said.session], ["start", { id: "a", cwd: "/w" }]);
  assert.notEqual(again?.said.op_id, daemon.events[0]?.said.op_id);
});

test("a goodbye comes after all that was said and says what became of the sessions", async () => {
  await daemon.listen();
  const one = client();
  const started = one.start(session("a"));
  const drain = await one.goodbye({ reason: "restart", budgetMs: 20_000 });
  assert.equal((await started).kept, "daemon");
  assert.deepEqual([drain.reason, drain.sessions, drain.delivered], ["restart", 1, 1]);
});

test("a goodbye to a daemon that is away says so within its budget", async () => {
  const one = client();
  void one.start(session("a"));
  await assert.rejects(one.goodbye({ budgetMs: 300 }), (error: LastwordError) => error.code === "unreachable");
});

test("an end that waits for its outcome holds up nothing but its own session", async () => {
  await daemon.listen();
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  daemon.hold = ({ query }) => (query.has("wait") ? held : Promise.resolve());
  const one = client();
  await one.start(session("a"));
  const waits = one.end(session("a"), { waitMs: 20_000 });
  const other = await one.end(session("b"));
  const again = one.start(session("a"));
  assert.equal(other.kept, "daemon");
  assert.deepEqual(daemon.story, ["start a", "end b"]);
  await daemon.until("the request that waits", () => daemon.requests.length === 1);
  release();
  assert.deepEqual((await waits).outcomes, [{ delivery: "stand-in.1/session-end/memory", state: "delivered" }]);
  await again;
  assert.deepEqual(daemon.story, ["start a", "end b", "end a", "start a"]);
});

test("over TCP each request has the token and names the owner with a lease", async () => {
  const port = await daemon.listen(true);
  const one = client({ url: `http://127.0.0.1:${port}`, token: "lastword_made_up", kind: "gateway" });
  await one.start(session("a"));
  const ended = await one.end(session("a"), { waitMs: 5_000 });
  assert.equal(ended.outcomes?.[0]?.state, "delivered");
  const drain = await one.goodbye({ reason: "shutdown" });
  assert.equal(drain.sessions, 1);
  assert.ok(daemon.requests.every(({ headers }) => headers.authorization === "Bearer lastword_made_up"));
  assert.deepEqual(
    daemon.requests.map(({ method }) => method),
    ["PUT", "POST", "POST", "DELETE"],
  );
  const { query } = daemon.requests[1] ?? { query: new URLSearchParams() };
  assert.deepEqual(
    [query.get("owner"), query.get("kind"), query.get("lease"), query.has("pid")],
    [one.owner.name, "gateway", "30000ms", false],
  );
});

test("what can be mended at the daemon is kept until it is", async () => {
  const port = await daemon.listen(true);
  for (const refusal of [
    { status: 401, code: "unauthorized" },
    { status: 421, code: "wrong_host" },
  ]) {
    daemon.refusesWith = refusal;
    const asked = daemon.requests.length;
    const kept = client({ url: `http://127.0.0.1:${port}`, token: "lastword_made_up" }).start(session(refusal.code));
    await daemon.until("it is refused", () => daemon.requests.length > asked);
    daemon.refusesWith = undefined;
    await kept;
    await daemon.until("it is taken", () => daemon.story.includes(`start ${refusal.code}`));
  }
});

test("a connection over TCP that was idle for too long is no problem", async () => {
  const port = await daemon.listen(true);
  const problems: Error[] = [];
  const one = client({ url: `http://127.0.0.1:${port}`, onProblem: (problem) => problems.push(problem) });
  await one.start(session("a"));
  daemon.cutConnections();
  assert.equal((await one.end(session("a"))).kept, "daemon");
  assert.deepEqual(daemon.story, ["start a", "end a"]);
  assert.deepEqual(problems, []);
});
