/** Every number that bounds the client, with its unit and where it comes from. */

/** Bytes of one event: the longest line and the longest body that the daemon takes. */
export const MAX_EVENT_BYTES = 1024 * 1024;

/** Events that wait in memory: ten seconds' worth of what a token may send. */
export const MAX_QUEUED_EVENTS = 10_000;

/** Bytes of the events that wait in memory. */
export const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/** Bytes of one process's spool. */
export const MAX_SPOOL_BYTES = 16 * 1024 * 1024;

/** Bytes of all spools in the directory: no number of processes that die fills the disk. */
export const MAX_SPOOLS_BYTES = 64 * 1024 * 1024;

/** Events that are sent at once, each of another session. The daemon writes them down together. */
export const MAX_BATCH_EVENTS = 256;

/** Bytes that are sent at once: a sixteenth of what the daemon takes in a body. */
export const MAX_BATCH_BYTES = 1024 * 1024;

/**
 * Events that wait for their outcome at once, each with a connection of its own. Beyond that they are sent without
 * waiting.
 */
export const MAX_WAITS = 32;

/** How long an answer may take, in ms. The daemon answers when the event is on its disk. */
export const ANSWER_TIMEOUT_MS = 30_000;

/** How long a connection may take to be made, in ms. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** The first pause before another try, in ms; doubled each time. */
export const FIRST_BACK_OFF_MS = 100;

/** The longest pause before another try, in ms: half of the time that a daemon gives an owner to come back. */
export const MAX_BACK_OFF_MS = 1_000;

/**
 * How long events wait in memory for a daemon that is away, in ms: longer than its restart. Then they are written to
 * the spool.
 */
export const SPOOL_AFTER_MS = 1_000;

/** The lease of an owner whose process the daemon cannot see, in ms. It is renewed each third of it. */
export const LEASE_MS = 30_000;
