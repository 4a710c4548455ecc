// What is worth knowing of a session, from its last event and the lines of its transcript. Of WASI and the contract it
// imports nothing but types, so the tests run it as it is.

import type { SessionEndEvent } from "lastword:hooks/types@0.1.0";
import type { Read } from "./transcript.js";
import { isDeeperThan } from "./depth.js";

export type Role = "user" | "assistant" | "tool" | "other";

export interface Summary {
  session: string;
  generation: number;
  agent: string | null;
  reason: string;
  startedAt: string | null;
  endedAt: string;
  durationMs: number | null;
  /** Whether there was a transcript; nothing of what follows is known without one. */
  transcript: Read;
  messages: Record<Role, number>;
  models: string[];
  firstAt: string | null;
  lastAt: string | null;
  /** Lines that were no JSON, or too deep; the last line of a transcript that is still written can be half a line. */
  unreadableLines: number;
  summarisedAt: string;
}

/** Lists and objects within each other. A transcript's lines have some ten; the stack is enough for some thousands. */
const MAX_DEPTH = 500;

/** Counts messages line by line, in the formats of Claude Code and OpenClaw. */
export class Tally {
  readonly messages: Record<Role, number> = { user: 0, assistant: 0, tool: 0, other: 0 };
  readonly models = new Set<string>();
  firstAt: string | null = null;
  lastAt: string | null = null;
  unreadableLines = 0;
  #lastMessage: unknown;

  add(line: string): void {
    if (line.trim() === "") return;
    // The interpreter parses by recursion, and the end of its stack is the end of the call: that cannot be caught.
    if (isDeeperThan(MAX_DEPTH, line)) {
      this.unreadableLines += 1;
      return;
    }
    let entry: unknown;
    try {
      entry = JSON.parse(line);
    } catch {
      this.unreadableLines += 1;
      return;
    }
    // Anything can be in a line, so every field is looked at before it is used.
    if (!isObject(entry)) return;
    if (typeof entry["timestamp"] === "string") this.#saw(entry["timestamp"]);
    const message = entry["message"];
    if (isObject(message)) this.#count(message);
  }

  #count(message: Fields): void {
    // Claude Code writes each part of an answer as a line of its own, with the same message id.
    const id = message["id"];
    if (id !== undefined && id === this.#lastMessage) return;
    this.#lastMessage = id;
    this.messages[role(message)] += 1;
    if (typeof message["model"] === "string") this.models.add(message["model"]);
  }

  /** Timestamps of this form sort as text. */
  #saw(at: string): void {
    if (this.firstAt === null || at < this.firstAt) this.firstAt = at;
    if (this.lastAt === null || at > this.lastAt) this.lastAt = at;
  }
}

export function summarise(event: SessionEndEvent, tally: Tally, transcript: Read, now: Date): Summary {
  const { session, reason } = event;
  return {
    session: session.id,
    generation: session.generation,
    agent: session.agentId,
    // A word of the owner's that has no case of its own comes with its value.
    reason: reason.tag === "other" ? reason.val : reason.tag,
    startedAt: session.startedAt,
    endedAt: event.endedAt,
    durationMs: event.durationMs,
    transcript,
    messages: tally.messages,
    models: [...tally.models],
    firstAt: tally.firstAt,
    lastAt: tally.lastAt,
    unreadableLines: tally.unreadableLines,
    summarisedAt: now.toISOString(),
  };
}

function role(message: Fields): Role {
  switch (message["role"]) {
    case "assistant":
      return "assistant";
    case "user":
      return isToolResult(message["content"]) ? "tool" : "user";
    case "toolResult":
      return "tool";
    default:
      return "other";
  }
}

/** Claude Code hands the results of tools to the model in the user's name. */
function isToolResult(content: unknown): boolean {
  return Array.isArray(content) && content.some((part) => isObject(part) && part["type"] === "tool_result");
}

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
