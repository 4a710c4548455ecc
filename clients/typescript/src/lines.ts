/** The stdio protocol on any pair of streams: a raw connection, or a child's stdin and stdout. */

import { Unavailable, refusal } from "./errors.js";
import { type Drain, type Item, answerOf } from "./event.js";
import { ANSWER_TIMEOUT_MS } from "./limits.js";
import type { Link, Result } from "./link.js";

/** The streams. */
export interface Pipe {
  write(text: string): void;
  /** Ends both directions. */
  destroy(): void;
  hold(holds: boolean): void;
}

/** How an owner of these streams says goodbye. */
type LastWord = (reason: string) => void;

interface Asked {
  opId: string;
  done(result: Result): void;
  lost(error: Unavailable): void;
}

export class Lines implements Link {
  readonly #pipe: Pipe;
  readonly #lastWord: LastWord;
  readonly #asked: Asked[] = [];
  #drain: { done(drain: Drain): void; lost(error: Unavailable): void } | undefined;
  #rest = "";
  #lost: Unavailable | undefined;
  #onLost: () => void = () => {};

  constructor(pipe: Pipe, lastWord?: LastWord) {
    this.#pipe = pipe;
    this.#lastWord = lastWord ?? ((reason) => pipe.write(`${JSON.stringify({ op: "shutdown", reason })}\n`));
  }

  send(items: Item[]): Promise<Result[]> {
    if (this.#lost) return Promise.reject(this.#lost);
    const results = items.map(
      ({ opId }) => new Promise<Result>((done, lost) => this.#asked.push({ opId, done, lost })),
    );
    this.#pipe.write(items.map(({ text }) => `${text}\n`).join(""));
    return this.#within(ANSWER_TIMEOUT_MS, Promise.all(results));
  }

  goodbye(reason: string, budgetMs: number): Promise<Drain> {
    if (this.#lost) return Promise.reject(this.#lost);
    const drained = new Promise<Drain>((done, lost) => (this.#drain = { done, lost }));
    this.#lastWord(reason);
    return this.#within(budgetMs, drained);
  }

  hold(holds: boolean): void {
    this.#pipe.hold(holds);
  }

  onLost(lost: () => void): void {
    this.#onLost = lost;
    if (this.#lost) lost();
  }

  close(): void {
    this.#onLost = () => {};
    this.lose("the connection is closed");
  }

  /** Takes what has come. */
  take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.trim() !== "") this.#line(line);
    }
  }

  /** The connection is gone. */
  lose(why: string): void {
    if (this.#lost) return;
    this.#lost = new Unavailable(why);
    this.#pipe.destroy();
    for (const { lost } of this.#asked.splice(0)) lost(this.#lost);
    this.#drain?.lost(this.#lost);
    this.#drain = undefined;
    this.#onLost();
  }

  #line(line: string): void {
    let said: Record<string, unknown>;
    try {
      said = JSON.parse(line) as Record<string, unknown>;
    } catch {
      this.lose("what answers is not a Lastword daemon");
      return;
    }
    switch (said["event"]) {
      case "accepted": {
        const asked = this.#answered(said["op_id"]);
        asked?.done(answerOf(asked.opId, said));
        return;
      }
      case "error": {
        const error = refusal(
          String(said["code"]),
          String(said["message"]),
          said["field"] === undefined ? undefined : String(said["field"]),
        );
        // A connection that is not taken at all is told so before it has asked.
        if (said["code"] === "too_many_owners") this.lose(error.message);
        else this.#answered(said["op_id"])?.done(error);
        return;
      }
      case "drain": {
        const drain = this.#drain;
        this.#drain = undefined;
        drain?.done(said as unknown as Drain);
        if (!drain) this.lose("the daemon leaves");
        return;
      }
    }
  }

  /** Answers come in the order of the lines, and an error may not know its line's `op_id`. */
  #answered(opId: unknown): Asked | undefined {
    const at = typeof opId === "string" ? this.#asked.findIndex((asked) => asked.opId === opId) : 0;
    return at < 0 ? undefined : this.#asked.splice(at, 1)[0];
  }

  async #within<T>(ms: number, answer: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.lose(`no answer within ${ms} ms`), ms);
    timer.unref();
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }
}
