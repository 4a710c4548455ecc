/** A hook's payload as a line that `--from openclaw` reads. */

/** Longer strings are no id and no path: the daemon keeps no more of one. */
const MAX_STRING = 8 * 1024;

/** Fields of one object that are kept. OpenClaw has 40 of them. */
const MAX_FIELDS = 256;

/**
 * Only what is a string, a number or a boolean: the rest is messages, which the daemon leaves out, and objects of the
 * running gateway. So an event costs microseconds, however long its conversation is.
 */
function plain(fields: object): Record<string, string | number | boolean> {
  const kept: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields).slice(0, MAX_FIELDS)) {
    if (typeof value === "string") {
      if (value.length <= MAX_STRING) kept[name] = value;
    } else if (typeof value === "number" || typeof value === "boolean") {
      kept[name] = value;
    }
  }
  return kept;
}

export function lineOf(hook: string, opId: string, event: object, ctx: object): string {
  return JSON.stringify({ t: Date.now(), op_id: opId, hook, event: plain(event), ctx: plain(ctx) });
}
