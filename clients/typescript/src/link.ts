import type { LastwordError, Unavailable } from "./errors.js";
import type { Answer, Drain, Item } from "./event.js";
import type { Owner } from "./owner.js";

/** What became of one event that was sent. */
export type Result = Answer | LastwordError | Unavailable;

/**
 * A connection to a daemon. All of its methods reject with `Unavailable` when it is lost, and it is not used any more
 * then.
 */
export interface Link {
  /** Sends events in their order, and resolves with a result for each. */
  send(items: Item[]): Promise<Result[]>;
  /** Says goodbye for the owner: its sessions end. */
  goodbye(reason: string, budgetMs: number): Promise<Drain>;
  /** Whether the process has to stay for it. */
  hold(holds: boolean): void;
  /** Is called once when it is lost, if that is noticed while nothing is asked. */
  onLost(lost: () => void): void;
  close(): void;
}

/** Makes connections to one daemon. */
export interface Linker {
  /** Names the daemon: what was meant for one is not sent to another. */
  readonly target: string;
  /** The connection is the owner: its sessions have to be started again on the next one. */
  readonly isOwner: boolean;
  connect(owner: Owner): Promise<Link>;
  /** Sends one event on a connection of its own, and waits for its outcome. */
  ask?(item: Item, owner: Owner): Promise<Result>;
  /** Whether the process has to stay for what is asked. */
  hold?(holds: boolean): void;
}
