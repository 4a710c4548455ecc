// An opencode that calls its plugin: `node opencode.mjs PLUGIN SCENARIO SOCKET`.
import { createServer } from "node:http";
import { once } from "node:events";
import { pathToFileURL } from "node:url";

const [plugin, scenario, socket] = process.argv.slice(2);
const { Lastword } = await import(pathToFileURL(plugin));
const hooks = await Lastword({ directory: "/w" });
const event = (type, properties) => hooks.event({ event: { type, properties } });
const info = { id: "s1", directory: "/w", title: "a secret", projectID: "p", version: "1", time: { created: 1, updated: 1 } };

// Each hook, as opencode calls it; it waits for what a hook returns.
const session = async () => {
  await event("session.created", { sessionID: "s1", info });
  await event("session.created", { sessionID: "sub", info: { ...info, id: "sub", parentID: "s1" } });
  await event("session.status", { sessionID: "sub", status: { type: "busy" } });
  await hooks["chat.message"]({ sessionID: "s1" }, { message: { text: "a secret" }, parts: [] });
  await event("session.status", { sessionID: "s1", status: { type: "busy" } });
  await event("message.updated", { info: { id: "m1", sessionID: "s1" } });
  await hooks["experimental.session.compacting"]({ sessionID: "s1" }, { context: [] });
  await event("session.compacted", { sessionID: "s1" });
  await event("session.idle", { sessionID: "s1" });
  // It was resumed: opencode has said nothing of its start.
  await event("session.status", { sessionID: "s2", status: { type: "busy" } });
  await event("session.deleted", { sessionID: "s2" });
};

// A daemon: `answer` gets each request when all of it has arrived.
const listen = async (arrived, answer) => {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const url = new URL(request.url, "http://x");
    arrived.push({
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      key: request.headers["idempotency-key"],
      body: JSON.parse(body),
    });
    answer(request, response);
  });
  server.listen(socket);
  await once(server, "listening");
  return () => {
    server.close();
    server.closeAllConnections();
  };
};

// Nobody tells.
const until = async (isSo) => {
  const deadline = Date.now() + 60000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const scenarios = {
  // A daemon that is slow: what has arrived is printed, and whether the hooks waited for it.
  async slow() {
    const arrived = [];
    const close = await listen(arrived, (_, response) => setTimeout(() => response.end("{}"), 20));
    await session();
    const before = arrived.length;
    // The instance is loaded again, which ends nothing.
    await hooks.dispose();
    const again = await Lastword({ directory: "/w" });
    await again.event({ event: { type: "session.status", properties: { sessionID: "s1", status: { type: "idle" } } } });
    await again.dispose();
    await until(() => arrived.length >= 7);
    console.log(JSON.stringify({ pid: process.pid, before, arrived }));
    close();
  },
  // More is said at once than can wait: hooks wait for nothing, so nothing is sent meanwhile.
  async full() {
    const arrived = [];
    const close = await listen(arrived, (_, response) => response.end("{}"));
    await event("session.created", { sessionID: "s1", info });
    for (let turn = 0; turn < 300; turn += 1) await hooks["chat.message"]({ sessionID: "s2" }, {});
    await event("session.deleted", { sessionID: "s2" });
    await until(() => arrived.some(({ path }) => path.endsWith("/session.deleted")));
    console.log(JSON.stringify({ pid: process.pid, arrived }));
    close();
  },
  // A daemon takes the event, and its answer is lost.
  async lost() {
    const arrived = [];
    const close = await listen(arrived, (request) => request.socket.destroy());
    await event("session.created", { sessionID: "s1", info });
    await hooks.dispose();
    await until(() => arrived.length > 0);
    console.log(JSON.stringify({ pid: process.pid, arrived }));
    close();
  },
  // It says a session, and stays.
  async stay() {
    await event("session.created", { sessionID: "s1", info });
    await hooks["chat.message"]({ sessionID: "s1" }, {});
    await hooks.dispose();
    console.log("said");
    setInterval(() => {}, 1000);
  },
  // Nobody takes anything: what is said is kept by a child.
  async away() {
    await event("session.created", { sessionID: "s1", info });
    await event("session.idle", { sessionID: "s1" });
    await hooks.dispose();
    console.log(JSON.stringify({ pid: process.pid }));
  },
};

await scenarios[scenario]();
