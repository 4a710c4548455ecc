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

const scenarios = {
  // A daemon that is slow: what has arrived is printed, and whether the hooks waited for it.
  async slow() {
    const arrived = [];
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
      setTimeout(() => response.end("{}"), 20);
    });
    server.listen(socket);
    await once(server, "listening");
    await session();
    const before = arrived.length;
    // The instance is loaded again, which ends nothing.
    await hooks.dispose();
    const again = await Lastword({ directory: "/w" });
    await again.event({ event: { type: "session.status", properties: { sessionID: "s1", status: { type: "idle" } } } });
    await again.dispose();
    console.log(JSON.stringify({ pid: process.pid, before, arrived }));
    server.close();
    server.closeAllConnections();
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
    console.log("said");
  },
};

await scenarios[scenario]();
