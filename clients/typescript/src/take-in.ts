/** Hands over what is in the spool. */

import { LastwordError, Unavailable } from "./errors.js";
import type { Item } from "./event.js";
import type { Link, Linker } from "./link.js";
import type { Owner } from "./owner.js";
import { batchOf } from "./queue.js";
import type { Spool } from "./spool.js";

/**
 * What a process that is gone has left is its own: it goes over a connection of its own, and what that process has
 * not ended ends with it.
 *
 * Gives whether there was anything.
 *
 * @throws Unavailable when the daemon is away again. What it has then stays in the spool as well; it knows events by
 * their names.
 */
export async function takeIn(
  spool: Spool,
  linker: Linker,
  owner: Owner,
  own: Link,
  onProblem: (problem: Error) => void,
): Promise<boolean> {
  let isAny = false;
  for await (const spooled of spool.take()) {
    const isOurs = spooled.owner.pid === owner.pid && spooled.owner.startTime === owner.startTime;
    let link: Link | undefined;
    try {
      link = isOurs ? own : await linker.connect(spooled.owner);
      if (spooled.broken > 0)
        onProblem(new LastwordError("spool", `${spooled.path}: ${spooled.broken} lines cannot be read`));
      await handOver(link, spooled.items, onProblem);
      await spool.done(spooled);
      isAny = true;
    } catch (error) {
      spool.keep(spooled);
      throw error;
    } finally {
      if (!isOurs) link?.close();
    }
  }
  return isAny;
}

async function handOver(link: Link, items: Item[], onProblem: (problem: Error) => void): Promise<void> {
  let rest = items;
  while (rest.length > 0) {
    const batch = batchOf(rest, new Set());
    const results = await link.send(batch);
    const again = batch.filter((_, at) => results[at] instanceof Unavailable);
    for (const result of results) if (result instanceof LastwordError) onProblem(result);
    if (again.length === batch.length) throw results[0];
    rest = [...again, ...rest.slice(batch.length)];
  }
}
