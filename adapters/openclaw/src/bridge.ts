/** What the gateway's hooks say, handed to Lastword. No hook waits for it. */

import { randomUUID } from "node:crypto";

import type { Answer, Drain } from "../../../clients/typescript/src/event.js";
import { Client } from "../../../clients/typescript/src/client.js";
import { HttpLinker } from "../../../clients/typescript/src/http.js";
import type { Linker } from "../../../clients/typescript/src/link.js";
import { defaultSocket } from "../../../clients/typescript/src/places.js";
import { ChildLinker } from "./child.js";
import { type Hook, type Logger, type Payload, textOf } from "./hooks.js";
import { lineOf } from "./payload.js";
import type { Settings } from "./settings.js";

/**
 * How long after `gateway_stop`, or after an end behind it, no end has to come for the last one to be there, in ms.
 * They come 2 to 7 ms apart.
 */
const QUIET_MS = 50;

const KINDS = {
  session_start: "start",
  session_end: "end",
  before_compaction: "other",
  after_compaction: "other",
} as const;

/** How the gateway stops. */
interface Stop {
  reason: "shutdown" | "restart";
  began: number;
  /** The ends that have come since. */
  ends: Promise<Answer | undefined>[];
  timer: NodeJS.Timeout | undefined;
  isTold: boolean;
}

export class Bridge {
  readonly #settings: Settings;
  #log: Logger;
  #client: Client | undefined;
  /** Sessions that have begun, or of which something was said, and that have not ended. */
  readonly #open = new Set<string>();
  #stop: Stop | undefined;

  constructor(settings: Settings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
  }

  /** The plugin was loaded again: its log is another one. */
  uses(log: Logger): void {
    this.#log = log;
  }

  hook(hook: Hook, { event, ctx }: Payload): void {
    try {
      if (hook === "gateway_start") this.#started();
      else if (hook === "gateway_stop") this.#stops(textOf(event, "reason"));
      else this.#session(hook, event, ctx);
    } catch (error) {
      this.#log.warn(`lastword: ${hook} is not handed over: ${(error as Error).message}`);
    }
  }

  #started(): void {
    clearTimeout(this.#stop?.timer);
    this.#stop = undefined;
    // What an earlier gateway has left in the spool is handed over now.
    this.#connection().hurry(false);
  }

  #session(hook: keyof typeof KINDS, event: object, ctx: object): void {
    const session = textOf(event, "sessionId") || textOf(ctx, "sessionId");
    const kind = KINDS[hook];
    if (kind === "end") this.#open.delete(session);
    else this.#open.add(session);
    const opId = randomUUID();
    const waits = kind === "end" && this.#stop !== undefined && this.#settings.program === undefined;
    const sent = this.#connection().push({
      opId,
      kind,
      session,
      route: "/v1/hooks/openclaw",
      text: lineOf(hook, opId, event, ctx),
      ...(waits ? { waitMs: this.#settings.budgetMs } : {}),
    });
    const answer = sent.catch((error: Error) => {
      this.#log.warn(`lastword: ${hook} of ${session} is refused: ${error.message}`);
      return undefined;
    });
    if (kind !== "end" || !this.#stop) return;
    this.#stop.ends.push(answer);
    this.#lastOnes(this.#stop);
  }

  /** The ends of sessions that are active come only after this. */
  #stops(reason: string): void {
    // Its sessions go on; the plugin that is loaded in the place of this one has this bridge.
    if (reason === "plugin replacement" || !this.#client) return;
    this.#client.hurry();
    this.#stop = {
      reason: reason.includes("restart") ? "restart" : "shutdown",
      began: performance.now(),
      ends: [],
      timer: undefined,
      isTold: false,
    };
    this.#lastOnes(this.#stop);
  }

  /** Says goodbye when nothing is left to come. Otherwise the process's exit says it: the daemon sees that. */
  #lastOnes(stop: Stop): void {
    clearTimeout(stop.timer);
    if (this.#open.size > 0) return;
    stop.timer = setTimeout(() => void this.#goodbye(stop), QUIET_MS);
    stop.timer.unref();
  }

  async #goodbye(stop: Stop): Promise<void> {
    const client = this.#client;
    if (!client || this.#stop !== stop) return;
    const { reason, ends, began } = stop;
    try {
      const [drain, ...answers] = await Promise.all([
        client.goodbye({ reason, budgetMs: this.#settings.budgetMs + 1_000 }),
        ...ends,
      ]);
      stop.isTold = true;
      this.#log.info(report(drain, answers, performance.now() - began));
    } catch (error) {
      const answers = await Promise.all(ends);
      stop.isTold = true;
      const spooled = answers.filter((answer) => answer?.kept === "spool").length;
      const kept = spooled > 0 ? `; ${spooled} of ${answers.length} ends are in the spool` : "";
      this.#log.warn(`lastword: no goodbye: ${(error as Error).message}${kept}`);
    }
  }

  /** The gateway waits for nobody, so this may come first. */
  #exits(client: Client): void {
    client.exit();
    const stop = this.#stop;
    if (stop && !stop.isTold)
      this.#log.info(`lastword: the gateway leaves while ${stop.ends.length} ends are with the daemon, which goes on`);
  }

  #connection(): Client {
    if (this.#client) return this.#client;
    const { spool } = this.#settings;
    const client = new Client({
      kind: "openclaw",
      linker: linkerOf(this.#settings),
      unref: true,
      onProblem: (problem) => this.#log.warn(`lastword: ${problem.message}`),
      ...(spool === undefined ? {} : { spool }),
    });
    process.once("exit", () => this.#exits(client));
    this.#client = client;
    return client;
  }
}

function linkerOf({ program, args, url, token, socket }: Settings): Linker {
  if (program !== undefined) return new ChildLinker(program, args);
  if (url !== undefined) return new HttpLinker({ url, ...(token === undefined ? {} : { token }) });
  return new HttpLinker({ socket: socket ?? defaultSocket() });
}

function report(drain: Drain, answers: (Answer | undefined)[], ms: number): string {
  const outcomes = answers.flatMap((answer) => answer?.outcomes ?? []);
  const count = (...states: string[]) => outcomes.filter(({ state }) => states.includes(state)).length;
  const sessions = answers.length + drain.sessions;
  const delivered = count("delivered") + drain.delivered;
  const failed = count("dead", "forgotten") + drain.failed;
  const owed = count("owed", "unknown") + drain.deferred;
  return `lastword: ${sessions} sessions have ended: ${delivered} deliveries made, ${failed} given up, ${owed} owed, in ${Math.round(ms)} ms`;
}
