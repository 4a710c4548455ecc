// A plugin that stores a summary of every session that ended: how it ended, how long it ran, and who said how much.
//
// A hook is an ordinary function, and synchronous. Each call runs in a fresh sandbox: a variable outside of the function
// has the value from when the plugin was built, in every call. `Math.random()` therefore gives the same numbers each time.

import "./console.js";

import type { SessionEnd } from "example:session-summary/plugin";
import type { HookError, SessionEndEvent } from "lastword:hooks/types@0.1.0";
import { open, type Error as StoreError } from "wasi:keyvalue/store@0.2.0-draft";
import { Tally, summarise } from "./summary.js";
import { readLines } from "./transcript.js";
import { utf8 } from "./utf8.js";

/** The part of the call's time that is spent on reading; the rest is for storing what was found. */
const READING = 0.6;

// To return means "done, never call again for this delivery".
export const sessionEnd: SessionEnd = (event) => {
  const tally = new Tally();
  const stopAt = Date.now() + event.delivery.remainingMs * READING;
  const read = readLines((line) => tally.add(line), stopAt);
  const summary = summarise(event, tally, read, new Date());
  store(event, JSON.stringify(summary));
  console.log("summary of", event.session.id, "stored:", summary.messages, `transcript ${read}`);
};

/**
 * One key for each session, so that a second attempt writes over the first one's. Every tenant has a space of its own,
 * and the generation tells sessions apart that bear the same id.
 */
function store({ session }: SessionEndEvent, value: string): void {
  try {
    open("").set(`${session.id}#${session.generation}`, utf8(value));
  } catch (thrown) {
    // What an imported function answers as an error is thrown, with the error as `payload`.
    const { payload } = thrown as { payload?: StoreError };
    if (payload === undefined) throw thrown;
    const why = payload.tag === "other" ? payload.val : payload.tag;
    // And this is how a hook answers one: "call again later". `fatal` would say that this does not help.
    throw { tag: "retry", val: `cannot store the summary: ${why}` } satisfies HookError;
  }
}
