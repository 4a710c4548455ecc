/** The plugin, as OpenClaw loads it. */

import { Bridge } from "./bridge.js";
import type { Api, Hook } from "./hooks.js";
import { settingsOf } from "./settings.js";

const HOOKS: Hook[] = [
  "session_start",
  "session_end",
  "before_compaction",
  "after_compaction",
  "gateway_start",
  "gateway_stop",
];

/**
 * A gateway loads a plugin several times, and again when its configuration changes: one process has one bridge for
 * each configuration.
 */
const BRIDGES = Symbol.for("lastword-openclaw.bridges");

function bridges(): Map<string, Bridge> {
  const shared = globalThis as { [BRIDGES]?: Map<string, Bridge> };
  return (shared[BRIDGES] ??= new Map());
}

const plugin = {
  id: "lastword-openclaw",
  name: "Lastword",
  description: "Hands sessions' starts, ends and compactions to a Lastword daemon",
  register(api: Api): void {
    const settings = settingsOf(api.pluginConfig);
    const key = JSON.stringify(settings);
    const bridge = bridges().get(key) ?? new Bridge(settings, api.logger);
    bridges().set(key, bridge);
    bridge.uses(api.logger);
    for (const hook of HOOKS) api.on(hook, (event, ctx) => bridge.hook(hook, { event, ctx }));
  },
};

export default plugin;
