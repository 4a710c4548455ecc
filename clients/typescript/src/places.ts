/** Where the daemon's socket and the user's state are, as `lastword` itself looks for them. */

import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

function absolute(variable: string): string | undefined {
  const path = process.env[variable];
  return path && isAbsolute(path) ? path : undefined;
}

/** The user's directory for what has to be kept. */
export function stateDirectory(): string {
  return absolute("XDG_STATE_HOME") ?? join(homedir(), ".local", "state");
}

/** The socket that `lastword serve` has by default. */
export function defaultSocket(): string {
  return join(absolute("XDG_RUNTIME_DIR") ?? stateDirectory(), "lastword", "lastword.sock");
}

/** Where events wait while the daemon is away. The daemon's own spool is another directory. */
export function defaultSpool(): string {
  return join(stateDirectory(), "lastword", "clients");
}
