/**
 * What the adapter uses of OpenClaw. The check in `check/` holds it against OpenClaw's own types; without them this
 * compiles in a second, where OpenClaw is 700 MB.
 */

export type Hook =
  "session_start" | "session_end" | "before_compaction" | "after_compaction" | "gateway_start" | "gateway_stop";

/** What a hook is called with. Fields may be missing, or have other types in another version. */
export interface Payload {
  event: object;
  ctx: object;
}

/** A field that is text; empty otherwise. */
export function textOf(fields: object, name: string): string {
  const value = (fields as Record<string, unknown>)[name];
  return typeof value === "string" ? value : "";
}

export interface Logger {
  info(message: string): void;
  warn(message: string): void;
}

export interface Api {
  readonly pluginConfig?: Record<string, unknown>;
  readonly logger: Logger;
  on(hook: Hook, handler: (event: Payload["event"], ctx: Payload["ctx"]) => void): void;
}
