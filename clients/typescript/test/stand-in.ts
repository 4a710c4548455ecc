/** A server that speaks as the daemon does, as far as the clients need it, and does what a test asks for. */

import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, type ServerResponse, createServer as createHttp } from "node:http";
import { type Server, type Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Said = Record<string, unknown> & { op: string; op_id: string; session: { id: string } };

/**
 * What a test has the server answer to an event; `cut` closes the connection without an answer, `silence` gives none.
 */
export type Reply = "accept" | "cut" | "silence" | { code: string };

export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
}

export class StandIn {
  readonly directory = mkdtempSync(join(tmpdir(), "lastword-"));
  readonly socket = join(this.directory, "lastword.sock");
  readonly spool = join(this.directory, "state", "clients");
  /** Every event in the order in which it came, with the number of its connection; 0 for HTTP. */
  readonly events: { connection: number; said: Said }[] = [];
  readonly requests: Request[] = [];
  readonly closed: number[] = [];
  reply: (said: Said) => Reply = () => "accept";
  /** Holds an HTTP answer back. */
  hold: (request: Request) => Promise<void> = () => Promise.resolve();
  /** What every HTTP request is answered. */
  refusesWith: { status: number; code: string } | undefined;
  #server: Server | undefined;
  #connections = 0;
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<() => void>();

  async listen(tcp = false): Promise<number> {
    const http = createHttp((request, response) => void this.#http(request, response));
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
      socket.once("data", (first: Buffer) => {
        if (first[0] === 0x7b) this.#raw(socket, first);
        else {
          socket.unshift(first);
          http.emit("connection", socket);
        }
      });
    });
    await new Promise<void>((resolve) =>
      tcp ? this.#server?.listen(0, "127.0.0.1", resolve) : this.#server?.listen(this.socket, resolve),
    );
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** As a daemon that is killed: connections break. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.cutConnections();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The ids of sessions with their ops, in the order in which they came. */
  get story(): string[] {
    return this.events.map(({ said }) => `${said.op} ${said.session.id}`);
  }

  /** Waits until something holds of what has come. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const began = Date.now();
    while (!holds()) {
      if (Date.now() - began > 30_000) throw new Error(`${what} did not happen: ${this.story.join(", ")}`);
      await new Promise<void>((resolve) => {
        const look = () => {
          clearTimeout(timer);
          this.#watchers.delete(look);
          resolve();
        };
        const timer = setTimeout(look, 50);
        this.#watchers.add(look);
      });
    }
  }

  #tell(): void {
    for (const look of [...this.#watchers]) look();
  }

  #raw(socket: Socket, first: Buffer): void {
    const connection = (this.#connections += 1);
    let rest = "";
    const write = (line: object) => void socket.write(`${JSON.stringify(line)}\n`);
    write({ event: "ready", journal: "stand-in", plugins: [], slots: 1, recovered: { sessions: 0, deliveries: 0 } });
    const take = (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const said = JSON.parse(line) as Said;
        if (said.op === "shutdown") {
          write({
            event: "drain",
            reason: said["reason"],
            budget_ms: 2000,
            elapsed_ms: 1,
            sessions: 1,
            delivered: 1,
            failed: 0,
            deferred: 0,
            timed_out: false,
          });
          socket.end();
          continue;
        }
        this.events.push({ connection, said });
        const reply = this.reply(said);
        if (reply === "cut") {
          socket.destroy();
          this.#tell();
          return;
        }
        if (reply !== "silence") write(answer(said, reply));
      }
      this.#tell();
    };
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => take(text));
    socket.on("close", () => {
      this.closed.push(connection);
      this.#tell();
    });
    take(first.toString("utf8"));
  }

  async #http(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const piece of incoming) body += String(piece);
    const url = new URL(incoming.url ?? "/", "http://lastword");
    const request: Request = {
      method: incoming.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body,
    };
    this.requests.push(request);
    this.#tell();
    await this.hold(request);
    if (this.refusesWith) {
      response.writeHead(this.refusesWith.status);
      response.end(JSON.stringify({ ...this.refusesWith, detail: "as the test wants it" }));
      return;
    }
    if (request.method === "PUT") {
      response.end(
        JSON.stringify({
          watched_by: url.searchParams.has("pid") || body.includes('"pid"') ? "process" : "lease",
          alive: true,
          new: true,
        }),
      );
      return;
    }
    if (request.method === "DELETE") {
      response.end(
        JSON.stringify({
          reason: url.searchParams.get("reason"),
          budget_ms: 2000,
          elapsed_ms: 1,
          sessions: 1,
          refused: 0,
          delivered: 1,
          failed: 0,
          deferred: 0,
          timed_out: false,
        }),
      );
      return;
    }
    const outcome = { delivery: "stand-in.1/session-end/memory", state: "delivered" };
    if (request.path === "/v1/events") {
      const lines = body
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Said);
      for (const said of lines) this.events.push({ connection: 0, said });
      this.#tell();
      const answers: object[] = lines.map((said) => answer(said, this.reply(said)));
      if (request.query.has("wait")) answers.push({ event: "settled", ...outcome });
      response.end(answers.map((line) => `${JSON.stringify(line)}\n`).join(""));
      return;
    }
    const said = JSON.parse(body) as { hook?: string; event?: { sessionId?: string }; ctx?: { sessionId?: string } };
    const id = said.event?.sessionId ?? said.ctx?.sessionId ?? "";
    const event = { op: String(said.hook), op_id: String(request.headers["idempotency-key"]), session: { id } };
    this.events.push({ connection: 0, said: event });
    this.#tell();
    const reply = this.reply(event);
    if (reply === "cut") {
      incoming.socket.destroy();
    } else if (typeof reply === "object") {
      response.writeHead(reply.code === "journal" ? 503 : 400);
      response.end(JSON.stringify({ code: reply.code, detail: "as the test wants it" }));
    } else if (reply === "accept") {
      const waited = request.query.has("wait") ? { outcomes: [outcome] } : {};
      response.end(
        JSON.stringify({
          op: "end",
          op_id: event.op_id,
          tenant: "default",
          session: id,
          generation: 1,
          deliveries: [outcome.delivery],
          ...waited,
        }),
      );
    }
  }
}

function answer(said: Said, reply: Reply): object {
  if (typeof reply === "object") return { event: "error", line: 1, code: reply.code, message: "as the test wants it" };
  return {
    event: "accepted",
    op: said.op,
    op_id: said.op_id,
    tenant: "default",
    session: said.session.id,
    generation: 1,
    line: 1,
  };
}
