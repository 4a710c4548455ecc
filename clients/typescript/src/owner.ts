/** Which process the sessions belong to. */

import { readFileSync } from "node:fs";

/** A process, and when it began: its number alone could be another's. */
export interface Owner {
  /** Its name with the daemon. */
  name: string;
  kind: string;
  pid: number;
  /** Field 22 of `/proc/PID/stat`; 0 where there is none. */
  startTime: number;
  bootId: string;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function startTime(pid: number): number | undefined {
  // The program's name is in brackets, and may have spaces and brackets itself.
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[19] === undefined ? undefined : Number(fields[19]);
}

/** This process. */
export function thisProcess(kind: string, name?: string): Owner {
  const { pid } = process;
  const began = startTime(pid) ?? 0;
  const bootId = read("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
  return { name: name ?? `${kind}-${pid}-${began}`, kind, pid, startTime: began, bootId };
}

/** Whether that process is still there. */
export function lives(owner: Owner): boolean {
  if (owner.startTime !== 0) {
    const here = read("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
    return here === owner.bootId && startTime(owner.pid) === owner.startTime;
  }
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
