/** HTTP to a daemon: over TCP with a token, or over its Unix socket. */

import { Agent, type RequestOptions, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";

import { LastwordError, Unavailable, refusal } from "./errors.js";
import { type Answer, type Drain, type Item, answerOf } from "./event.js";
import { ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS, LEASE_MS, MAX_WAITS } from "./limits.js";
import type { Link, Linker, Result } from "./link.js";
import type { Owner } from "./owner.js";

/** Where the daemon is. */
export interface Place {
  socket?: string;
  /** E.g. `https://lastword.example:7417`. */
  url?: string;
  token?: string;
  /** The certificate of the authority that the daemon's is from, in PEM, if the system does not know it. */
  ca?: string;
}

/** What is asked. */
interface Asked {
  method: "POST" | "PUT" | "DELETE";
  path: string;
  body?: string;
  headers?: Record<string, string>;
  timeoutMs: number;
}

interface Answered {
  status: number;
  text: string;
  retryAfterMs: number;
}

/** Requests to one daemon. */
export class Requests {
  readonly #place: Place;
  readonly #base: URL;
  readonly #agent: Agent;
  /** Whether the process stays for an answer. */
  holds = true;

  constructor(place: Place, connections = MAX_WAITS) {
    this.#place = place;
    this.#base = new URL(place.url ?? "http://lastword");
    const settings = { keepAlive: true, maxSockets: connections };
    this.#agent = this.#isTls() ? new TlsAgent(settings) : new Agent(settings);
  }

  #isTls(): boolean {
    return this.#base.protocol === "https:";
  }

  /** Whether the daemon may see the processes of this machine. */
  get isLocal(): boolean {
    return this.#place.socket !== undefined;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @throws Unavailable when there is no answer, or one that says: later. */
  async ask(asked: Asked): Promise<string> {
    const { status, text, retryAfterMs } = await this.#exchange(asked);
    if (status < 300) return text;
    let problem: { code?: unknown; detail?: unknown; field?: unknown } = {};
    try {
      problem = JSON.parse(text) as typeof problem;
    } catch {
      // It is not the daemon's own.
    }
    const code = typeof problem.code === "string" ? problem.code : `http_${status}`;
    const detail = typeof problem.detail === "string" ? problem.detail : `the daemon answered ${status}`;
    // A token and the daemon's names can be mended, and nothing is to be lost for them until then.
    const passes = [401, 408, 421, 507].includes(status) || (status >= 500 && problem.code === undefined);
    if (passes) throw new Unavailable(`${code}: ${detail}`, retryAfterMs);
    throw refusal(code, detail, typeof problem.field === "string" ? problem.field : undefined, retryAfterMs);
  }

  /** The daemon closes a connection that was idle for long. Each request has a name, so it may come twice. */
  async #exchange(asked: Asked): Promise<Answered> {
    const connection = { isUsed: false };
    try {
      return await this.#once(connection, asked);
    } catch (error) {
      if (!connection.isUsed) throw error;
      return await this.#once(connection, asked);
    }
  }

  #once(connection: { isUsed: boolean }, { method, path, body, headers, timeoutMs }: Asked): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const { socket, token, ca } = this.#place;
      const options: RequestOptions & { ca?: string } = {
        method,
        path,
        agent: this.#agent,
        headers: {
          ...headers,
          "content-length": String(Buffer.byteLength(body ?? "")),
          ...(token ? { authorization: `Bearer ${token}` } : {}),
        },
        ...(socket
          ? { socketPath: socket }
          : { host: this.#base.hostname.replace(/^\[|\]$/g, ""), port: this.#base.port || undefined }),
        ...(ca ? { ca } : {}),
      };
      const request = (this.#isTls() ? httpsRequest : httpRequest)(options);
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      timer.unref();
      const fail = (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        connection.isUsed = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        reject(new Unavailable(error.message));
      };
      request.on("error", fail);
      // The agent holds it again for each request.
      request.on("socket", (socket) => void (this.holds ? socket.ref() : socket.unref()));
      request.on("response", (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("error", fail);
        response.on("end", () => {
          clearTimeout(timer);
          const seconds = Number(response.headers["retry-after"] ?? 0);
          const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString("utf8"), retryAfterMs });
        });
        response.on("close", () => fail(new Error("the answer breaks off")));
      });
      request.end(body);
    });
  }

  /** One event. */
  async event(item: Item, owner: Owner | undefined): Promise<Result> {
    return (await this.events([item], owner))[0] ?? new Unavailable("the daemon gave no answer");
  }

  /** Events of one route. Those of `/v1/events` go in one body. */
  async events(items: Item[], owner: Owner | undefined): Promise<Result[]> {
    const [first] = items;
    if (!first) return [];
    const query = owner ? this.query(owner) : new URLSearchParams();
    if (first.waitMs !== undefined) {
      query.set("wait", "delivered");
      query.set("timeout", `${first.waitMs}ms`);
    }
    const post: Asked = {
      method: "POST",
      path: `${first.route}?${query}`,
      timeoutMs: ANSWER_TIMEOUT_MS + (first.waitMs ?? 0),
    };
    if (first.route === "/v1/events") {
      const text = await this.ask({ ...post, body: items.map((item) => `${item.text}\n`).join("") });
      return readLines(items, text);
    }
    const results: Result[] = [];
    for (const item of items) {
      try {
        const text = await this.ask({ ...post, body: item.text, headers: { "idempotency-key": item.opId } });
        results.push(answerOf(item.opId, parse(text)));
      } catch (error) {
        if (!(error instanceof LastwordError)) throw error;
        results.push(error);
      }
    }
    return results;
  }

  /** What each request says of its owner. A lease counts where the process cannot be seen. */
  query(owner: Owner): URLSearchParams {
    const query = new URLSearchParams({ owner: owner.name, kind: owner.kind, lease: `${LEASE_MS}ms` });
    if (this.isLocal && owner.startTime !== 0) {
      query.set("pid", String(owner.pid));
      query.set("start_time", String(owner.startTime));
      if (owner.bootId) query.set("boot_id", owner.bootId);
    }
    return query;
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new Unavailable("what answers is not a Lastword daemon");
  }
}

/** The answers to lines, in their order; behind them what became of their deliveries. */
function readLines(items: Item[], text: string): Result[] {
  const said = text
    .split("\n")
    .filter((line) => line !== "")
    .map(parse);
  const answers = said.filter((line) => line["event"] !== "settled");
  const outcomes = said.filter((line) => line["event"] === "settled");
  return items.map((item, at) => {
    const line = answers[at];
    if (!line) return new Unavailable("the daemon gave no answer");
    if (line["event"] === "error")
      return refusal(String(line["code"]), String(line["message"]), line["field"] as string | undefined);
    const answer: Answer = answerOf(item.opId, line);
    if (item.waitMs !== undefined)
      answer.outcomes = outcomes.map(({ event: _, ...outcome }) => outcome) as unknown as NonNullable<
        Answer["outcomes"]
      >;
    return answer;
  });
}

export class HttpLinker implements Linker {
  readonly target: string;
  readonly isOwner = false;
  readonly #place: Place;
  readonly #waits: Requests;

  constructor(place: Place) {
    this.#place = place;
    this.target = place.socket ? `http+unix:${place.socket}` : new URL(place.url ?? "").origin;
    this.#waits = new Requests(place);
  }

  async connect(owner: Owner): Promise<Link> {
    // One connection: requests reach the daemon in their order.
    const requests = new Requests(this.#place, 1);
    const link = new HttpLink(requests, owner);
    try {
      await link.register();
    } catch (error) {
      link.close();
      throw error instanceof Unavailable ? error : new Unavailable(String((error as Error).message));
    }
    return link;
  }

  hold(holds: boolean): void {
    this.#waits.holds = holds;
  }

  ask(item: Item, owner: Owner): Promise<Result> {
    return this.#waits.event(item, owner);
  }
}

class HttpLink implements Link {
  readonly #requests: Requests;
  readonly #owner: Owner;
  #renewal: NodeJS.Timeout | undefined;

  constructor(requests: Requests, owner: Owner) {
    this.#requests = requests;
    this.#owner = owner;
  }

  /** Registers the owner, and renews its lease if its process cannot be seen. */
  async register(): Promise<void> {
    const { kind, pid, startTime, bootId, name } = this.#owner;
    const life = this.#requests.isLocal && startTime !== 0 ? { pid, start_time: startTime, boot_id: bootId } : {};
    const body = JSON.stringify({ kind, ...life, lease: `${LEASE_MS}ms` });
    const path = `/v1/owners/${encodeURIComponent(name)}`;
    const answer = parse(await this.#requests.ask({ method: "PUT", path, body, timeoutMs: CONNECT_TIMEOUT_MS }));
    if (answer["watched_by"] === "process") return;
    this.#renewal = setTimeout(() => void this.register().catch(() => {}), LEASE_MS / 3);
    this.#renewal.unref();
  }

  send(items: Item[]): Promise<Result[]> {
    return this.#requests.events(items, this.#owner);
  }

  async goodbye(reason: string, budgetMs: number): Promise<Drain> {
    clearTimeout(this.#renewal);
    const query = new URLSearchParams({ reason, budget: `${budgetMs}ms` });
    const path = `/v1/owners/${encodeURIComponent(this.#owner.name)}?${query}`;
    const timeoutMs = budgetMs + CONNECT_TIMEOUT_MS;
    return parse(await this.#requests.ask({ method: "DELETE", path, timeoutMs })) as unknown as Drain;
  }

  hold(holds: boolean): void {
    this.#requests.holds = holds;
  }

  onLost(): void {
    // Each request finds out by itself.
  }

  close(): void {
    clearTimeout(this.#renewal);
    this.#requests.close();
  }
}
