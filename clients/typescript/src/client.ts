import { randomUUID } from "node:crypto";

import { LastwordError } from "./errors.js";
import type { Answer, Compaction, Drain, End, Item, Start } from "./event.js";
import { HttpLinker } from "./http.js";
import { MAX_EVENT_BYTES } from "./limits.js";
import type { Linker } from "./link.js";
import { type Owner, thisProcess } from "./owner.js";
import { defaultSocket, defaultSpool } from "./places.js";
import { RawLinker } from "./raw.js";
import { type OnProblem, Sender } from "./sender.js";
import { Spool } from "./spool.js";

export interface ClientOptions {
  /** The daemon's Unix socket. Without this and `url` it is the default one. */
  socket?: string;
  /** The daemon over TCP, e.g. `https://lastword.example:7417`. */
  url?: string;
  /** For TCP: a token of the role `owner`. */
  token?: string;
  /** The certificate of the authority that the daemon's is from, in PEM, if the system does not know it. */
  ca?: string;
  /** What the owner is, e.g. `my-gateway`. Its spool bears this name too. */
  kind?: string;
  /** The owner's name over HTTP. By default it is made of the kind and the process. */
  owner?: string;
  /** The directory of the spool. */
  spool?: string;
  /** The client never keeps the process from leaving. What is not answered then is lost, so `close` before. */
  unref?: boolean;
  /** Is told what nobody waits for: that the daemon is away, or that it refuses an event of the spool. */
  onProblem?: OnProblem;
  /** Another way to a daemon. */
  linker?: Linker;
}

export interface SendOptions {
  /** The name of the request: the same one again does nothing. */
  opId?: string;
  /** For how long the outcome is waited for, in ms; at most 55 000. */
  waitMs?: number;
}

/** Tells a Lastword daemon what happens to the sessions of this process. */
export class Client {
  readonly owner: Owner;
  readonly #sender: Sender;

  constructor(options: ClientOptions = {}) {
    const { socket, url, token, ca, unref = false, onProblem = () => {} } = options;
    const kind = options.kind ?? "client";
    this.owner = thisProcess(kind, options.owner);
    const place = {
      ...(url === undefined ? {} : { url }),
      ...(token === undefined ? {} : { token }),
      ...(ca === undefined ? {} : { ca }),
    };
    const linker =
      options.linker ?? (url === undefined ? new RawLinker(socket ?? defaultSocket()) : new HttpLinker(place));
    const spool = new Spool(options.spool ?? defaultSpool(), kind, linker.target, this.owner);
    this.#sender = new Sender(linker, this.owner, spool, onProblem, !unref);
    this.#sender.start();
  }

  /** A session begins, or goes on. */
  start(start: Start, options?: SendOptions): Promise<Answer> {
    return this.#event("start", start, options);
  }

  /** A session is over. With `waitMs` the answer has what became of its deliveries. */
  end(end: End, options?: SendOptions): Promise<Answer> {
    return this.#event("end", end, options);
  }

  compaction(compaction: Compaction, options?: SendOptions): Promise<Answer> {
    return this.#event("compaction", compaction, options);
  }

  #event(
    op: "start" | "end" | "compaction",
    event: Start | End | Compaction,
    options: SendOptions = {},
  ): Promise<Answer> {
    const opId = options.opId ?? randomUUID();
    const { tenant = "default", id } = event.session;
    const text = JSON.stringify({ ...event, op, op_id: opId });
    const kind = op === "compaction" ? "other" : op;
    return this.push({ opId, kind, session: `${tenant}/${id}`, route: "/v1/events", text, ...wait(options) });
  }

  /** Hands over an event in the form in which it is sent. */
  push(item: Item): Promise<Answer> {
    if (Buffer.byteLength(item.text) > MAX_EVENT_BYTES) {
      return Promise.reject(new LastwordError("event_too_long", `an event has at most ${MAX_EVENT_BYTES} bytes`));
    }
    return this.#sender.push(item);
  }

  /** From now on what cannot be sent at once goes into the spool: the process is about to leave, or not after all. */
  hurry(hurries = true): void {
    this.#sender.hurry(hurries);
  }

  /** For `process.on("exit")`: what is not answered is in the spool when this returns. */
  exit(): void {
    this.#sender.exit();
  }

  /** Resolves when everything is answered, or the time is over: false then. */
  settle(ms: number): Promise<boolean> {
    return this.#sender.settle(ms);
  }

  /**
   * The owner goes: what waits is sent, then all of its sessions end. Resolves with what became of that within the
   * budget.
   */
  goodbye(options: { reason?: "shutdown" | "restart" | "crashed"; budgetMs?: number } = {}): Promise<Drain> {
    return this.#sender.goodbye(options.reason ?? "shutdown", options.budgetMs ?? 2_000);
  }

  /**
   * Closes the connection. What is not answered goes into the spool. On a raw connection the sessions end: `goodbye`
   * says why.
   */
  close(): Promise<void> {
    return this.#sender.close();
  }
}

function wait(options: SendOptions): { waitMs?: number } {
  return options.waitMs === undefined ? {} : { waitMs: options.waitMs };
}
