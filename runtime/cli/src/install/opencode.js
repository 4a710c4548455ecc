// Lastword's plugin for opencode, written by `lastword install opencode`: `lastword uninstall opencode` deletes it.
//
// It tells Lastword's daemon which sessions this process has. When the process dies, the daemon ends them. What is said waits in a queue
// and goes out one by one, so opencode waits for nothing.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

const PROGRAM = "{{PROGRAM}}";
const SOCKET = "{{SOCKET}}";

// Events that wait. An agent says a few in a minute; more than this means that nobody takes them.
const MAX_QUEUED = 256;
// Of these the oldest is dropped first: without it a turn is not known, and without others a session is not.
const TURNS = new Set(["chat.message", "session.idle"]);
// Sessions that are remembered, so that each is said to begin once.
const MAX_SESSIONS = 4096;
// Milliseconds for the daemon's answer, and for the child that keeps an event while the daemon is away.
const ANSWER_WAIT = 2000;
const CHILD_WAIT = 10000;

const directory = (variable) => {
  const path = process.env[variable];
  return path && isAbsolute(path) ? path : undefined;
};

const socket = () =>
  SOCKET ??
  join(
    directory("XDG_RUNTIME_DIR") ?? directory("XDG_STATE_HOME") ?? join(homedir(), ".local", "state"),
    "lastword",
    "lastword.sock",
  );

// Who this process is: its number, and when it began, so that no later process of that number is taken for it. Only Linux says it.
const whoAmI = () => {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    // The name of the program, in brackets, may have spaces.
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return new URLSearchParams({ kind: "opencode", pid: String(process.pid), start_time: start, boot_id: boot });
  } catch {
    return undefined;
  }
};

const post = (who, event, payload, key) =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify(payload);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), "idempotency-key": key };
    const path = `/v1/hooks/opencode/${encodeURIComponent(event)}?${who}`;
    const options = { socketPath: socket(), method: "POST", path, headers, agent: false, timeout: ANSWER_WAIT };
    const sent = request(options, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode));
      answer.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer")));
    sent.on("error", reject);
    sent.end(body);
  });

// The child keeps the event in the spool, and may start the daemon. It outlives this process if it has to, so it is told who that is.
// The daemon may have taken the event all the same: by its key it counts once.
const keep = (event, payload, key) =>
  new Promise((resolve) => {
    const words = ["emit", "opencode", event, "--spawn", ...(SOCKET ? ["--socket", SOCKET] : []), "--op-id", key];
    if (who) words.push("--process", `${who.get("pid")},${who.get("start_time")}`);
    let wait;
    const done = () => {
      clearTimeout(wait);
      resolve();
    };
    try {
      const child = spawn(PROGRAM, words, { stdio: ["pipe", "ignore", "ignore"], detached: true });
      wait = setTimeout(done, CHILD_WAIT);
      wait.unref?.();
      child.on("error", done);
      child.on("exit", done);
      child.stdin.on("error", () => {});
      child.stdin.end(JSON.stringify(payload));
      child.unref();
    } catch {
      done();
    }
  });

const who = whoAmI();
const queue = [];
let sending;

const deliver = async ({ event, payload, key }) => {
  if (who) {
    try {
      const status = await post(who, event, payload, key);
      // What the daemon refuses for good is refused the second time as well.
      if (status < 500 && status !== 429) return;
    } catch {
      // It is away.
    }
  }
  await keep(event, payload, key);
};

const drain = async () => {
  while (queue.length > 0) await deliver(queue.shift());
  sending = undefined;
};

const say = (event, payload) => {
  if (queue.length >= MAX_QUEUED) {
    const turn = queue.findIndex((waiting) => TURNS.has(waiting.event));
    queue.splice(Math.max(turn, 0), 1);
  }
  queue.push({ event, payload, key: randomUUID() });
  sending ??= drain();
};

// Sessions of this process, whichever instance of the plugin has heard of them; a sub-agent's is its parent's affair.
const sessions = new Set();
const subAgents = new Set();

const remember = (set, id) => {
  if (set.size >= MAX_SESSIONS) set.delete(set.values().next().value);
  set.add(id);
};

// opencode says nothing of a session that is resumed, but it says that it works.
const begins = (id, directory, said) => {
  if (sessions.has(id)) return;
  remember(sessions, id);
  say("session.created", said ?? { sessionID: id, info: { id, directory } });
};

// What the daemon is to know of a session: no title, no text.
const outlines = ({ id, parentID, directory, projectID, version, time }) => ({
  id,
  parentID,
  directory,
  projectID,
  version,
  time,
});

export const Lastword = async ({ directory } = {}) => ({
  event: async ({ event }) => {
    const { type, properties = {} } = event ?? {};
    const info = properties.info;
    const id = properties.sessionID ?? info?.id;
    if (typeof id !== "string" || typeof type !== "string" || !type.startsWith("session.")) return;
    if (info?.parentID) remember(subAgents, id);
    if (subAgents.has(id)) return;
    switch (type) {
      case "session.created":
        return begins(id, directory, { sessionID: id, info: outlines({ ...info, id }) });
      case "session.status":
        return begins(id, directory);
      case "session.idle":
        begins(id, directory);
        return say(type, { sessionID: id });
      case "session.compacted":
        return say(type, { sessionID: id });
      case "session.deleted":
        sessions.delete(id);
        return say(type, { sessionID: id });
    }
  },
  // A turn begins. What was written stays here.
  "chat.message": async ({ sessionID } = {}) => {
    if (typeof sessionID !== "string" || subAgents.has(sessionID)) return;
    begins(sessionID, directory);
    say("chat.message", { sessionID });
  },
  "experimental.session.compacting": async ({ sessionID } = {}) => {
    if (typeof sessionID !== "string" || subAgents.has(sessionID)) return;
    say("experimental.session.compacting", { sessionID });
  },
  // It comes when a workspace is loaded again, too: no session ends by it. The daemon ends them when the process dies.
  dispose: async () => {
    let wait;
    const patience = new Promise((resolve) => {
      wait = setTimeout(resolve, ANSWER_WAIT);
    });
    await Promise.race([sending, patience]);
    clearTimeout(wait);
  },
});
