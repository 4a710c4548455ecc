// Written by `guest-tools typescript-types` from the WIT: do not edit.

declare module "wasi:io/error@0.2.0" {
  export class Error {
    private constructor();
    /** For people. */
    toDebugString(): string;
  }
  export {};
}

declare module "wasi:io/streams@0.2.0" {
  import type { Error } from "wasi:io/error@0.2.0";
  export type StreamError =
    | { tag: "last-operation-failed"; val: Error }
    | { tag: "closed" }
    ;
  export class OutputStream {
    private constructor();
    /** Takes at most 4096 bytes at once. */
    blockingWriteAndFlush(contents: Uint8Array): void;
  }
  export {};
}

declare module "wasi:cli/stdout@0.2.0" {
  import type { OutputStream } from "wasi:io/streams@0.2.0";
  export function getStdout(): OutputStream;
  export {};
}

declare module "wasi:keyvalue/store@0.2.0-draft" {
  export type Error =
    | { tag: "no-such-store" }
    | { tag: "access-denied" }
    | { tag: "other"; val: string }
    ;
  export interface KeyResponse {
    keys: Array<string>;
    /** Where the next page begins; none: there is no more. */
    cursor: number | null;
  }
  export class Bucket {
    private constructor();
    /** The value of a key; none: there is no such key. */
    get(key: string): Uint8Array | null;
    /** Writes a value. */
    set(key: string, value: Uint8Array): void;
    /** Takes a key away, if there is one. */
    delete(key: string): void;
    /** Whether there is such a key. */
    exists(key: string): boolean;
    /** The keys, a page at a time: none at first, then the cursor of the page before. */
    listKeys(cursor: number | null): KeyResponse;
  }
  /** Opens the plugin's space for the tenant, which is called "". */
  export function open(identifier: string): Bucket;
  export {};
}

declare module "wasi:keyvalue/atomics@0.2.0-draft" {
  import type { Bucket } from "wasi:keyvalue/store@0.2.0-draft";
  import type { Error } from "wasi:keyvalue/store@0.2.0-draft";
  /**
   * Adds to a number, from 0 on, and says what it is then. Two calls at the same time can be told the same; the sum is
   * exact.
   */
  export function increment(bucket: Bucket, key: string, delta: number): number;
  export {};
}

declare module "wasi:config/store@0.2.0-rc.1" {
  export type Error =
    | { tag: "upstream"; val: string }
    | { tag: "io"; val: string }
    ;
  /** The value of a setting; none: it is not set. */
  export function get(key: string): string | null;
  export {};
}

/**
 * What a session is, how it ended, and what a hook may answer.
 *
 * Plain data only, no resources: any hook can be called by hand with
 * `wasmtime run --invoke`. No 64-bit integers: in JavaScript they would be
 * BigInt, which JSON.stringify refuses.
 *
 * Component types are compared structurally, so a new field or case breaks
 * every plugin built before it. The shapes of a released version are
 * therefore frozen: new reasons arrive as `other`, new facts as attributes,
 * and a new shape is a new package version, which the runtime serves beside
 * the old one.
 */
declare module "lastword:hooks/types@0.1.0" {
  /** RFC 3339, UTC, with milliseconds: "2026-11-21T07:00:00.000Z". */
  export type Timestamp = string;
  /** Name and value; the runtime does not interpret them. */
  export type Attributes = Array<[string, string]>;
  /** Where a conversation is written down. */
  export interface Transcript {
    /** As the owner named it: a path, or an opaque id such as "sqlite:…". */
    uri: string;
    /** Whether the owner has moved it to its archive. */
    archived: boolean;
  }
  /** One run of one conversation. */
  export interface Session {
    /** Isolation domain. Never shared between customers. */
    tenant: string;
    /** The owner's id of the session, unique within the tenant. */
    id: string;
    /**
     * Counts the runs of this id, from 1: an owner may start the same id
     * again after it ended.
     */
    generation: number;
    /** The owner's stable name for the conversation, e.g. "agent:main:a". */
    key: string | null;
    /** Which agent of the owner, e.g. "main". */
    agentId: string | null;
    /** The program that owns the session: "openclaw", "claude-code", … */
    ownerKind: string | null;
    /** Working directory of the session on the owner's machine. */
    cwd: string | null;
    /** Where the conversation is written down, if it is. */
    transcript: Transcript | null;
    /** When it began, if anyone knows. */
    startedAt: Timestamp | null;
    /** What else the owner said of the session. */
    attributes: Attributes;
  }
  /** Why a session ended. */
  export type EndReason =
    /** A new session took its place. */
    | { tag: "new" }
    /** The user asked for a fresh start. */
    | { tag: "reset" }
    /** Nothing happened in it for as long as its owner allows. */
    | { tag: "idle" }
    /** The owner's daily rollover. */
    | { tag: "daily" }
    /** Its history was compacted into another session. */
    | { tag: "compaction" }
    /** It was deleted. */
    | { tag: "deleted" }
    /** The owner, or the runtime, is going away. */
    | { tag: "shutdown" }
    /** The owner is going away and expected back at once. */
    | { tag: "restart" }
    /** The user cleared the conversation. */
    | { tag: "clear" }
    /** The user left it to resume another one. */
    | { tag: "resume" }
    /** The user logged out. */
    | { tag: "logout" }
    /** The user left the program. */
    | { tag: "user-exit" }
    /** Its task was done. */
    | { tag: "completed" }
    /** It was stopped before its task was done. */
    | { tag: "aborted" }
    /** An error ended it. */
    | { tag: "error" }
    /** It ran into a time limit of its owner. */
    | { tag: "timeout" }
    /**
     * The runtime's own: the owner or the runtime died and the end was found
     * out afterwards.
     */
    | { tag: "crashed" }
    /** The owner gave no reason. */
    | { tag: "unknown" }
    /** A word of the owner that has no case of its own. */
    | { tag: "other"; val: string }
    ;
  /** One attempt to tell one plugin about one event. */
  export interface Delivery {
    /** Unique for ever, and the same for every attempt: an idempotency key. */
    id: string;
    /** 1 for the first attempt. No two attempts carry the same number. */
    attempt: number;
    /** Time left for this call, in milliseconds. */
    remainingMs: number;
    /** Newer events of this session id have been delivered already. */
    late: boolean;
  }
  /** A session began. */
  export interface SessionStartEvent {
    /** The session. */
    session: Session;
    /** This attempt. */
    delivery: Delivery;
    /** How it began, in the owner's word: "startup", "resume", … */
    source: string | null;
    /** Id of the session that this one continues. */
    resumedFrom: string | null;
    /** What else the owner said of the start. */
    attributes: Attributes;
  }
  /** A session ended. */
  export interface SessionEndEvent {
    /** The session. */
    session: Session;
    /** This attempt. */
    delivery: Delivery;
    /** Why it ended. */
    reason: EndReason;
    /** The owner's own word for the reason, unmapped. */
    rawReason: string | null;
    /** When it ended, or when that was found out. */
    endedAt: Timestamp;
    /** How long it ran, in milliseconds. Saturates at about 49 days. */
    durationMs: number | null;
    /** Messages in the conversation, if the owner knows. */
    messageCount: number | null;
    /** Id of the session that replaces this one, if any. */
    nextSessionId: string | null;
    /** That session's key. */
    nextSessionKey: string | null;
    /** What else the owner said of the end. */
    attributes: Attributes;
  }
  /** Which side of a compaction. */
  export type CompactionPhase =
    /** It is about to happen. */
    | "before"
    /** It has happened. */
    | "after"
    ;
  /** A session is about to be compacted, or was. */
  export interface SessionCompactionEvent {
    /** The session. */
    session: Session;
    /** This attempt. */
    delivery: Delivery;
    /** Which side of the compaction this is. */
    phase: CompactionPhase;
    /** Messages before the compaction. */
    messageCount: number | null;
    /** Messages that it took away. */
    compactedCount: number | null;
    /** Tokens in the context. */
    tokenCount: number | null;
    /**
     * Id of the session that held the conversation before, when the owner
     * changes ids as it compacts.
     */
    previousSessionId: string | null;
    /** What else the owner said of the compaction. */
    attributes: Attributes;
  }
  /**
   * What a hook answers when it could not do its work. The text is for
   * people; the runtime keeps its first kilobyte.
   */
  export type HookError =
    /** Try again later, with the same delivery id. */
    | { tag: "retry"; val: string }
    /** Trying again would not help. */
    | { tag: "fatal"; val: string }
    ;
  export {};
}

declare module "local:plugin/plugin" {
  import type { SessionEndEvent } from "lastword:hooks/types@0.1.0";
  import type { HookError } from "lastword:hooks/types@0.1.0";
  /** Told when a session ends, at least once for each session. */
  export type SessionEnd = (event: SessionEndEvent) => void;
  export {};
}
