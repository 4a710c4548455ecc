/** An event that was refused, or that there is no room for. */
export class LastwordError extends Error {
  /**
   * A stable word: one of the daemon's, or `queue_full`, `spool_full`, `spool`, `event_too_long`, `closed`,
   * `unreachable`.
   */
  readonly code: string;
  /** The field that is wrong, if it is one. */
  readonly field: string | undefined;

  constructor(code: string, message: string, field?: string) {
    super(message);
    this.name = "LastwordError";
    this.code = code;
    this.field = field;
  }
}

/** The daemon is away, or cannot take the event now: it is sent again. */
export class Unavailable extends Error {
  /** How long to wait at least, in ms. */
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs = 0) {
    super(message);
    this.name = "Unavailable";
    this.retryAfterMs = retryAfterMs;
  }
}

/** Codes of errors that go by: the event is sent again. */
const PASSING = new Set([
  "body_too_slow",
  "draining",
  "failed",
  "journal",
  "too_many_bodies",
  "too_many_connections",
  "too_many_owners",
  "too_many_requests",
  "too_many_waits",
]);

/** What to make of a refusal. */
export function refusal(code: string, message: string, field?: string, retryAfterMs = 0): LastwordError | Unavailable {
  return PASSING.has(code)
    ? new Unavailable(`${code}: ${message}`, retryAfterMs)
    : new LastwordError(code, message, field);
}
