/** Events that wait in memory, within bounds. */

import { LastwordError } from "./errors.js";
import type { Answer, Item } from "./event.js";
import { MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_QUEUED_BYTES, MAX_QUEUED_EVENTS } from "./limits.js";

export interface Queued {
  item: Item;
  bytes: number;
  done(answer: Answer): void;
  refused(error: LastwordError): void;
  /** It is only said again to a new connection: nothing for the spool. */
  isAgain?: boolean;
}

export class Queue {
  /** The oldest first. */
  #events: Queued[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  get all(): readonly Queued[] {
    return this.#events;
  }

  /**
   * Resolves with the event's answer.
   *
   * @throws LastwordError at once when there is no room.
   */
  push(item: Item): Promise<Answer> {
    const bytes = Buffer.byteLength(item.text);
    if (this.#events.length >= MAX_QUEUED_EVENTS || this.#bytes + bytes > MAX_QUEUED_BYTES) {
      const full = `${this.#events.length} events with ${this.#bytes} bytes wait already: hand them over more slowly`;
      throw new LastwordError("queue_full", full);
    }
    this.#bytes += bytes;
    return new Promise((done, refused) => this.#events.push({ item, bytes, done, refused }));
  }

  putBefore(events: Queued[]): void {
    this.#events.unshift(...events);
    this.#count();
  }

  take(one: Queued): void {
    const at = this.#events.indexOf(one);
    if (at < 0) return;
    this.#events.splice(at, 1);
    this.#bytes -= one.bytes;
  }

  /** Events that a lost connection was to be told again. */
  dropAgain(): void {
    this.#events = this.#events.filter(({ isAgain }) => !isAgain);
    this.#count();
  }

  #count(): void {
    this.#bytes = this.#events.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** The first events that can be sent at once: each of another session, so that none overtakes another of its own. */
export function batchOf(items: Item[], taken: Set<string>): Item[] {
  const batch: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const length = Buffer.byteLength(item.text);
    const fits = batch.length === 0 || (batch.length < MAX_BATCH_EVENTS && bytes + length <= MAX_BATCH_BYTES);
    if (!fits || taken.has(item.session) || item.waitMs !== undefined || item.route !== (batch[0] ?? item).route) break;
    taken.add(item.session);
    batch.push(item);
    bytes += length;
  }
  return batch;
}
