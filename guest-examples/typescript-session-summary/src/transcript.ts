// The session's transcript. With the grant `transcript` it is a file, read-only: a copy that is gone with the call.

import { getDirectories } from "wasi:filesystem/preopens@0.2.0";
import type { Descriptor } from "wasi:filesystem/types@0.2.0";

/** How much of the transcript was read. */
export type Read =
  /** All of it. */
  | "whole"
  /** Its beginning: then the time was up. */
  | "in part"
  /** Nothing: it was not granted, or the session has none, or it is gone. */
  | "absent";

const DIRECTORY = "/session";
const FILE = "transcript";
/** At most 256 KiB can be handed over at once; larger pieces than this are no faster. */
const PIECE_BYTES = 64 * 1024;

/** Calls `each` with every line, until the clock says `stopAt` (in milliseconds since 1970). */
export function readLines(each: (line: string) => void, stopAt: number): Read {
  const file = openTranscript();
  if (file === null) return "absent";
  let offset = 0;
  let begun = "";
  for (;;) {
    if (Date.now() >= stopAt) return "in part";
    const [bytes, atEnd] = file.read(PIECE_BYTES, offset);
    offset += bytes.length;
    const lines = (begun + latin1(bytes)).split("\n");
    begun = lines.pop() ?? "";
    lines.forEach(each);
    // A piece can be shorter than asked for before the end; an empty one is the end whatever the flag says.
    if (atEnd || bytes.length === 0) break;
  }
  each(begun);
  return "whole";
}

function openTranscript(): Descriptor | null {
  const directory = getDirectories().find(([, path]) => path === DIRECTORY)?.[0];
  if (directory === undefined) return null;
  try {
    return directory.openAt({}, FILE, {}, { read: true });
  } catch (thrown) {
    if ((thrown as { payload?: unknown }).payload === "no-entry") return null;
    throw thrown;
  }
}

/**
 * A character for each byte. What is counted here is ASCII, and what is not stays well-formed JSON: decoding a long
 * transcript properly would take more time than all the rest.
 */
function latin1(bytes: Uint8Array): string {
  let text = "";
  // As many arguments as a call can have without a deep stack.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192) as unknown as number[]);
  }
  return text;
}
