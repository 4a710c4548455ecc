/** What is handed over, and what is answered. */

/** A session, with whatever else its plugins should see as strings. */
export interface Session {
  id: string;
  tenant?: string;
  key?: string;
  agent_id?: string;
  cwd?: string;
  transcript?: { uri: string; archived?: boolean };
  started_at?: string | number;
  [attribute: string]: unknown;
}

export interface Start {
  session: Session;
  source?: string;
  resumed_from?: string;
  [attribute: string]: unknown;
}

export interface End {
  session: Session;
  reason?: string;
  message_count?: number;
  duration_ms?: number;
  next_session_id?: string;
  [attribute: string]: unknown;
}

export interface Compaction {
  session: Session;
  phase: "before" | "after";
  message_count?: number;
  compacted_count?: number;
  [attribute: string]: unknown;
}

/** What became of a delivery to a plugin. */
export interface DeliveryOutcome {
  delivery: string;
  state: "delivered" | "dead" | "forgotten" | "owed" | "unknown";
  cause?: string;
  message?: string;
}

/** An event that is safe. */
export interface Answer {
  opId: string;
  /** `daemon`: it is in the daemon's journal. `spool`: the daemon is away, and it is in the spool, on the disk. */
  kept: "daemon" | "spool";
  session?: string;
  generation?: number;
  /** `duplicate_op` or `duplicate_end`: it is acknowledged and nothing more. */
  code?: string;
  /** What was left out of it, and why. */
  dropped: string[];
  /** What became of its deliveries, if that was waited for. `owed` when the time was over. */
  outcomes?: DeliveryOutcome[];
}

/** How the drain of an owner's own sessions went. Counts are of `session-end` deliveries. */
export interface Drain {
  reason: string;
  budget_ms: number;
  elapsed_ms: number;
  sessions: number;
  delivered: number;
  failed: number;
  deferred: number;
  timed_out: boolean;
}

/** An event on its way. */
export interface Item {
  opId: string;
  /** What happens to the session. */
  kind: "start" | "end" | "other";
  /** Events of one session are sent one after the other. */
  session: string;
  /** The path that takes it over HTTP. `/v1/events` takes lines of the stdio protocol. */
  route: string;
  /** One line of JSON, without its newline. */
  text: string;
  /** For how long its outcome is waited for, in ms. */
  waitMs?: number;
}

/** An answer of the daemon in any of its forms. */
export function answerOf(opId: string, said: Record<string, unknown>): Answer {
  const answer: Answer = {
    opId,
    kept: "daemon",
    dropped: Array.isArray(said["dropped"]) ? said["dropped"].map(String) : [],
  };
  if (typeof said["session"] === "string") answer.session = said["session"];
  if (typeof said["generation"] === "number") answer.generation = said["generation"];
  if (typeof said["code"] === "string") answer.code = said["code"];
  if (Array.isArray(said["outcomes"])) answer.outcomes = said["outcomes"] as DeliveryOutcome[];
  return answer;
}
