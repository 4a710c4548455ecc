/** A daemon that is away, or has no time: since when, and when it is tried again. */

import type { Unavailable } from "./errors.js";
import { FIRST_BACK_OFF_MS, MAX_BACK_OFF_MS, SPOOL_AFTER_MS } from "./limits.js";

export class Absence {
  #since: number | undefined;
  #backOff = FIRST_BACK_OFF_MS;
  #said = "";

  /** A try has failed. Gives for how many ms to pause before the next one, and whether there is anything new to say. */
  failed(why: Unavailable): { pauseMs: number; isNews: boolean } {
    this.#since ??= Date.now();
    const isNews = this.#said !== why.message;
    this.#said = why.message;
    const pauseMs = Math.max(this.#backOff * (0.5 + Math.random() / 2), why.retryAfterMs);
    this.#backOff = Math.min(this.#backOff * 2, MAX_BACK_OFF_MS);
    return { pauseMs, isNews };
  }

  /** For how many ms more events wait in memory. */
  get untilSpoolMs(): number {
    return (this.#since ?? Date.now()) + SPOOL_AFTER_MS - Date.now();
  }

  /** It is back. */
  over(): void {
    this.#since = undefined;
    this.#backOff = FIRST_BACK_OFF_MS;
    this.#said = "";
  }
}
