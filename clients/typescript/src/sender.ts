/**
 * Sends events in their order, again after a connection is lost, and keeps them on the disk while the daemon is away.
 */

import { Absence } from "./absence.js";
import { ActiveStarts } from "./active.js";
import { LastwordError, Unavailable } from "./errors.js";
import type { Answer, Drain, Item } from "./event.js";
import { MAX_BATCH_EVENTS, MAX_WAITS } from "./limits.js";
import type { Link, Linker, Result } from "./link.js";
import type { Owner } from "./owner.js";
import { Queue, type Queued, batchOf } from "./queue.js";
import type { Spool } from "./spool.js";
import { takeIn } from "./take-in.js";

/** What the user of the client may want to know and nobody waits for. */
export type OnProblem = (problem: Error) => void;

export class Sender {
  readonly #linker: Linker;
  readonly #owner: Owner;
  readonly #spool: Spool;
  readonly #onProblem: OnProblem;
  readonly #holds: boolean;
  /** What is not answered. */
  readonly #queue = new Queue();
  /** Sessions with an event that waits for its outcome. */
  readonly #waiting = new Set<string>();
  /** Events that are asked for. */
  readonly #asked = new Set<Queued>();
  readonly #active = new ActiveStarts();
  readonly #absence = new Absence();
  #link: Link | undefined;
  #worker: Promise<void> | undefined;
  /** An event or a goodbye has come: there is no need to pause until the end. */
  #wake: (() => void) | undefined;
  #closed = false;
  #hurries = false;
  #idle: (() => void)[] = [];
  #spoolMayBeUsed = true;

  constructor(linker: Linker, owner: Owner, spool: Spool, onProblem: OnProblem, holds: boolean) {
    this.#linker = linker;
    this.#owner = owner;
    this.#spool = spool;
    this.#onProblem = (problem) => {
      try {
        onProblem(problem);
      } catch {
        // What the user does with it stops nothing.
      }
    };
    this.#holds = holds;
    linker.hold?.(holds);
  }

  /** Resolves when the event is safe, with the daemon or in the spool. */
  async push(item: Item): Promise<Answer> {
    if (this.#closed) throw new LastwordError("closed", "the client is closed");
    const answer = this.#queue.push(item);
    if (this.#linker.isOwner) this.#active.note(item);
    this.#run();
    return answer;
  }

  /** Connects, and takes in what is in the spool. */
  start(): void {
    this.#run();
  }

  /** From now on what cannot be sent at once goes to the disk: the process is about to leave. */
  hurry(hurries: boolean): void {
    this.#hurries = hurries;
    this.#wake?.();
  }

  /** Puts what is not answered on the disk before it returns: the process leaves now. */
  exit(): void {
    const left = [...this.#asked, ...this.#queue.all.filter((one) => !one.isAgain)];
    this.#closed = true;
    if (left.length > 0) this.#spool.addAtExit(left.map(({ item }) => item));
  }

  /** Resolves when nothing waits, or the time is over: false then. */
  async settle(ms: number): Promise<boolean> {
    if (this.#isIdle) return true;
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
    if (!this.#holds) timer?.unref();
    const idle = new Promise<boolean>((resolve) => this.#idle.push(() => resolve(true)));
    try {
      return await Promise.race([idle, over]);
    } finally {
      clearTimeout(timer);
    }
  }

  get #isIdle(): boolean {
    return this.#queue.isEmpty && this.#waiting.size === 0;
  }

  #tellIfIdle(): void {
    if (this.#isIdle) for (const idle of this.#idle.splice(0)) idle();
  }

  async goodbye(reason: string, budgetMs: number): Promise<Drain> {
    const began = Date.now();
    const isSent = await this.settle(budgetMs);
    if (!isSent || !this.#link)
      throw new LastwordError("unreachable", "the daemon is away: it ends the sessions by itself");
    try {
      return await this.#link.goodbye(reason, Math.max(budgetMs - (Date.now() - began), 1));
    } catch (error) {
      throw error instanceof LastwordError ? error : new LastwordError("unreachable", (error as Error).message);
    } finally {
      this.#active.clear();
      this.#drop();
    }
  }

  /** What is not answered goes into the spool. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#active.clear();
    this.#drop();
    this.#wake?.();
    await this.#worker;
    // Their answers may come or not: the daemon knows them by their names.
    this.#queue.putBefore([...this.#asked]);
    this.#waiting.clear();
    await this.#putAway();
    await this.#spool.close();
  }

  #run(): void {
    this.#wake?.();
    this.#worker ??= this.#work().finally(() => {
      this.#worker = undefined;
      // It may have come after the last look.
      if (!this.#closed && !this.#isIdle) this.#run();
    });
  }

  async #work(): Promise<void> {
    while (!this.#closed) {
      try {
        const link = this.#link ?? (await this.#connect());
        link.hold(this.#holds && !this.#isIdle);
        if (this.#spoolMayBeUsed) await this.#takeIn(link);
        if (this.#isIdle) {
          link.hold(false);
          return;
        }
        await this.#sendSome(link);
      } catch (error) {
        this.#drop();
        await this.#away(
          error instanceof Unavailable ? error : new Unavailable(String((error as Error).stack ?? error)),
        );
        // The daemon is asked again with the next event.
        if (this.#isIdle && this.#active.isEmpty && !this.#spool.isUsed) return;
      }
    }
  }

  async #connect(): Promise<Link> {
    const link = await this.#linker.connect(this.#owner);
    if (this.#closed) {
      link.close();
      throw new Unavailable("the client is closed");
    }
    this.#link = link;
    this.#spoolMayBeUsed = true;
    link.onLost(() => {
      if (this.#link !== link) return;
      this.#link = undefined;
      // Its sessions have only the grace to be started again.
      if (!this.#active.isEmpty) this.#run();
    });
    // Behind what is in the spool, and before what has come since: they belong to this connection from now on.
    const again = this.#active.again(this.#queue.all, this.#onProblem);
    this.#queue.dropAgain();
    this.#queue.putBefore(again);
    return link;
  }

  #drop(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  /** The daemon is away, or has no time. */
  async #away(why: Unavailable): Promise<void> {
    const { pauseMs, isNews } = this.#absence.failed(why);
    if (isNews) this.#onProblem(why);
    const until = Date.now() + pauseMs;
    while (!this.#closed) {
      const untilSpool = this.#hurries ? 0 : this.#absence.untilSpoolMs;
      if (untilSpool <= 0) await this.#putAway();
      const left = Math.max(until - Date.now(), 0);
      if (left === 0 || this.#closed) return;
      await this.#pause(!this.#queue.isEmpty ? Math.min(left, Math.max(untilSpool, 1)) : left);
    }
  }

  /** An event does not hurry a daemon that is away, but it may have to go to the disk. */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      if (!this.#holds || this.#isIdle) timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Puts what waits in memory on the disk, behind what is there. */
  async #putAway(): Promise<void> {
    this.#queue.dropAgain();
    this.#tellIfIdle();
    for (;;) {
      // What follows an event whose outcome is waited for follows it.
      const some = this.#queue.all.filter(({ item }) => !this.#waiting.has(item.session)).slice(0, MAX_BATCH_EVENTS);
      if (some.length === 0) return;
      this.#spoolMayBeUsed = true;
      let kept = 0;
      let error = new LastwordError("spool_full", "the daemon is away and the spool is full: the event is not kept");
      try {
        kept = some.length - (await this.#spool.add(some.map(({ item }) => item))).length;
      } catch (failure) {
        error = failure as LastwordError;
      }
      some.forEach((one, at) => {
        this.#take(one);
        if (at < kept) one.done({ opId: one.item.opId, kept: "spool", dropped: [] });
        else one.refused(error);
      });
    }
  }

  /** Hands over what is in the spool: before anything else, because it is older. */
  async #takeIn(link: Link): Promise<void> {
    const isAny = await takeIn(this.#spool, this.#linker, this.#owner, link, this.#onProblem);
    this.#spoolMayBeUsed = false;
    if (isAny) this.#absence.over();
  }

  async #sendSome(link: Link): Promise<void> {
    const [first] = this.#queue.all;
    if (first?.item.waitMs !== undefined && !this.#waiting.has(first.item.session)) {
      if (this.#linker.ask && this.#waiting.size < MAX_WAITS) {
        this.#askFor(first);
        return;
      }
      delete first.item.waitMs;
    }
    const waiting = new Set(this.#waiting);
    const batch = batchOf(
      this.#queue.all.slice(0, MAX_BATCH_EVENTS).map(({ item }) => item),
      waiting,
    );
    if (batch.length === 0) {
      // Until an outcome is there, or another event comes.
      await new Promise<void>((resolve) => (this.#wake = () => resolve()));
      this.#wake = undefined;
      return;
    }
    const sent = this.#queue.all.slice(0, batch.length);
    const results = await link.send(batch);
    let later: Unavailable | undefined;
    sent.forEach((one, at) => {
      const result = results[at] ?? new Unavailable("the daemon gave no answer");
      if (result instanceof Unavailable) later ??= result;
      else this.#settle(one, result);
    });
    if (later) throw later;
    this.#absence.over();
  }

  /** The rest goes on, except for what else is said of its session. */
  #askFor(one: Queued): void {
    const { session } = one.item;
    this.#waiting.add(session);
    this.#asked.add(one);
    const asked =
      this.#linker.ask?.(one.item, this.#owner) ?? Promise.reject(new Unavailable("there is no way to wait"));
    this.#take(one);
    void asked
      .catch((error: unknown): Result =>
        error instanceof LastwordError ? error : new Unavailable((error as Error).message),
      )
      .then((result) => {
        if (!this.#asked.delete(one) || this.#closed) return;
        this.#waiting.delete(session);
        if (result instanceof Unavailable) {
          // Its answer is lost, and what a second one says of outcomes is nothing: it is sent like any other.
          delete one.item.waitMs;
          this.#queue.putBefore([one]);
        } else {
          this.#settle(one, result);
        }
        this.#run();
      });
  }

  #settle(one: Queued, result: Answer | LastwordError): void {
    this.#take(one);
    if (result instanceof LastwordError) one.refused(result);
    else one.done(result);
  }

  #take(one: Queued): void {
    this.#queue.take(one);
    this.#tellIfIdle();
  }
}
