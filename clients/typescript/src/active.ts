/** The starts of sessions that are active, where the connection is their owner: the next one is told them again. */

import { randomUUID } from "node:crypto";

import type { Item } from "./event.js";
import type { Queued } from "./queue.js";

export class ActiveStarts {
  /** By their sessions: the last event of each that was not its end. */
  readonly #events = new Map<string, Item>();

  get isEmpty(): boolean {
    return this.#events.size === 0;
  }

  note(item: Item): void {
    if (item.kind === "end") this.#events.delete(item.session);
    else if (item.kind === "start" || !this.#events.has(item.session)) this.#events.set(item.session, item);
  }

  clear(): void {
    this.#events.clear();
  }

  /** What a new connection has to be told, besides what waits to be sent anyway. Nobody waits for the answers. */
  again(waiting: readonly Queued[], onRefused: Queued["refused"]): Queued[] {
    const waits = new Set(waiting.map(({ item }) => item.opId));
    const again = [...this.#events.values()].filter((item) => !waits.has(item.opId) && item.kind === "start");
    return again.map((item) => {
      const opId = randomUUID();
      const text = JSON.stringify({ ...(JSON.parse(item.text) as object), op_id: opId });
      return {
        item: { ...item, opId, text },
        bytes: Buffer.byteLength(text),
        done: () => {},
        refused: onRefused,
        isAgain: true,
      };
    });
  }
}
