// `console`, which QuickJS does not have. What is printed becomes log events of the runtime, one for each line.

import { getStdout } from "wasi:cli/stdout@0.2.0";
import { utf8 } from "./utf8.js";

/** WASI takes no more at once. */
const PIECE_BYTES = 4096;

declare global {
  var console: Record<"debug" | "error" | "info" | "log" | "warn", (...values: unknown[]) => void>;
}

function print(...values: unknown[]): void {
  const bytes = utf8(`${values.map(shown).join(" ")}\n`);
  const stdout = getStdout();
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    stdout.blockingWriteAndFlush(bytes.subarray(at, at + PIECE_BYTES));
  }
}

function shown(value: unknown): string {
  if (value instanceof Error) return value.stack === undefined ? String(value) : `${value}\n${value.stack}`;
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value);
}

globalThis.console = { debug: print, error: print, info: print, log: print, warn: print };
