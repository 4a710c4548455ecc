/** Fails to compile when OpenClaw's own types and what the adapter takes them for are not the same. `npm run check`. */

import type { OpenClawPluginApi, OpenClawPluginDefinition } from "openclaw/plugin-sdk/plugin-entry";

import plugin from "../src/index.js";
import type { Api, Hook, Payload } from "../src/hooks.js";

plugin satisfies OpenClawPluginDefinition;

type Own = OpenClawPluginApi["on"];

/** What OpenClaw gives its hooks is what the adapter reads. */
export function gives(on: Own, take: (hook: Hook, payload: Payload) => void): void {
  on("session_start", (event, ctx) => take("session_start", { event, ctx }));
  on("session_end", (event, ctx) => take("session_end", { event, ctx }));
  on("before_compaction", (event, ctx) => take("before_compaction", { event, ctx }));
  on("after_compaction", (event, ctx) => take("after_compaction", { event, ctx }));
  on("gateway_start", (event, ctx) => take("gateway_start", { event, ctx }));
  on("gateway_stop", (event, ctx) => take("gateway_stop", { event, ctx }));
}

/** OpenClaw's `api` is one that the adapter can be registered with. */
export const isEnough = (api: OpenClawPluginApi): Api => api;
