/**
 * Events on the disk, for a daemon that is away.
 *
 * Each process has a file of its own, so nothing is locked. The first line says whose it is; each other line is an
 * event. The files of processes that are gone are taken in by whoever connects next to the same daemon under the same
 * name.
 */

import { fsyncSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { LastwordError } from "./errors.js";
import type { Item } from "./event.js";
import { MAX_SPOOLS_BYTES, MAX_SPOOL_BYTES } from "./limits.js";
import { type Owner, lives } from "./owner.js";

/** The file's format. */
const VERSION = 1;

interface Header {
  lastword_spool: number;
  target: string;
  owner: Owner;
}

/** The events of one process. */
export interface Spooled {
  path: string;
  owner: Owner;
  items: Item[];
  /** Lines that cannot be read. */
  broken: number;
}

/** Files of this process that are in use. */
const ours = new Set<string>();
let files = 0;

export class Spool {
  readonly #directory: string;
  readonly #name: string;
  readonly #target: string;
  readonly #owner: Owner;
  #file: FileHandle | undefined;
  #path: string | undefined;
  #bytes = 0;
  #room = 0;

  constructor(directory: string, name: string, target: string, owner: Owner) {
    this.#directory = directory;
    this.#name = name.replaceAll(/[^A-Za-z0-9_]/g, "_").slice(0, 64);
    this.#target = target;
    this.#owner = owner;
  }

  /** Writes events behind those that are there, on the disk when it resolves. Gives those that do not fit. */
  async add(items: Item[]): Promise<Item[]> {
    const file = this.#file ?? (await this.#create());
    let text = "";
    let bytes = 0;
    let fits = 0;
    for (const item of items) {
      const line = lineOf(item);
      const length = Buffer.byteLength(line);
      if (this.#bytes + bytes + length > this.#room) break;
      text += line;
      bytes += length;
      fits += 1;
    }
    if (fits > 0) await this.#append(file, text, bytes);
    return items.slice(fits);
  }

  /** All of it or nothing: half of a line would spoil the next. */
  async #append(file: FileHandle, text: string, bytes: number): Promise<void> {
    try {
      await file.appendFile(text);
      await file.datasync();
      this.#bytes += bytes;
    } catch (error) {
      await file.truncate(this.#bytes).catch(() => {});
      throw new LastwordError("spool", `cannot write ${this.#path}: ${(error as Error).message}`);
    }
  }

  /**
   * As `add`, into another file. It is on the disk when this returns; what does not fit is lost, for nobody is there
   * to be told.
   */
  addAtExit(items: Item[]): void {
    let text = this.#header();
    for (const item of items) {
      const line = lineOf(item);
      if (text.length + line.length > MAX_SPOOL_BYTES) break;
      text += line;
    }
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const file = openSync(this.#newPath(), "ax", 0o600);
    writeFileSync(file, text);
    fsyncSync(file);
  }

  #newPath(): string {
    return join(this.#directory, `${this.#name}-${this.#owner.pid}-${this.#owner.startTime}-${(files += 1)}.ndjson`);
  }

  #header(): string {
    const header: Header = { lastword_spool: VERSION, target: this.#target, owner: this.#owner };
    return `${JSON.stringify(header)}\n`;
  }

  async #create(): Promise<FileHandle> {
    const path = this.#newPath();
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const others = await sizes(this.#directory);
      const file = await open(path, "ax", 0o600);
      ours.add(path);
      const text = this.#header();
      await file.appendFile(text);
      await syncDirectory(this.#directory);
      this.#file = file;
      this.#path = path;
      this.#bytes = Buffer.byteLength(text);
      this.#room = Math.min(MAX_SPOOL_BYTES, MAX_SPOOLS_BYTES - others);
      return file;
    } catch (error) {
      throw new LastwordError("spool", `cannot write ${path}: ${(error as Error).message}`);
    }
  }

  /** Whether this process has events there. */
  get isUsed(): boolean {
    return this.#file !== undefined;
  }

  /** What is there, the oldest file first and this process's own last. It stays until `done`. */
  async *take(): AsyncGenerator<Spooled> {
    const others: { path: string; modified: number }[] = [];
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const path = join(this.#directory, name);
      if (!name.startsWith(`${this.#name}-`) || ours.has(path)) continue;
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
      others.push({ path, modified: mtimeMs });
    }
    for (const { path } of others.sort((a, b) => a.modified - b.modified)) {
      const spooled = await this.#read(path);
      if (!spooled || this.#isInUse(path, spooled.owner)) continue;
      // Who renames it has it.
      const taken = this.#newPath();
      ours.add(taken);
      try {
        await rename(path, taken);
      } catch {
        ours.delete(taken);
        continue;
      }
      yield { ...spooled, path: taken };
    }
    if (this.#path) {
      const spooled = await this.#read(this.#path);
      if (spooled) yield spooled;
    }
  }

  /** By the process whose name the file bears: it may have taken it from one that is gone. */
  #isInUse(path: string, owner: Owner): boolean {
    const [pid, startTime] = basename(path, ".ndjson").split("-").slice(-3).map(Number);
    const holder = { ...owner, pid: pid ?? 0, startTime: startTime ?? 0 };
    const isThis = holder.pid === this.#owner.pid && holder.startTime === this.#owner.startTime;
    return !isThis && lives({ ...holder, bootId: this.#owner.bootId });
  }

  /** Line by line: others have their turn meanwhile. */
  async #read(path: string): Promise<Spooled | undefined> {
    const file = await open(path, "r").catch(() => undefined);
    if (!file) return undefined;
    let spooled: Spooled | undefined;
    // The file is closed with its last line.
    for await (const line of file.readLines()) {
      if (!spooled) {
        const header = parse(line) as Header | undefined;
        if (header?.lastword_spool !== VERSION || header.target !== this.#target || !header.owner) return undefined;
        spooled = { path, owner: header.owner, items: [], broken: 0 };
        continue;
      }
      const item = parse(line) as { op_id?: unknown; session?: unknown; route?: unknown; event?: unknown } | undefined;
      if (typeof item?.op_id !== "string" || typeof item.route !== "string" || typeof item.event !== "string")
        spooled.broken += 1;
      else
        spooled.items.push({
          opId: item.op_id,
          kind: "other",
          session: String(item.session),
          route: item.route,
          text: item.event,
        });
    }
    return spooled;
  }

  /** A file's events are with the daemon. */
  async done({ path }: Spooled): Promise<void> {
    if (path === this.#path) {
      const file = this.#file;
      this.#file = undefined;
      this.#path = undefined;
      await file?.close();
    }
    await unlink(path).catch(() => {});
    ours.delete(path);
  }

  /** A file's events are not with the daemon yet. */
  keep({ path }: Spooled): void {
    if (path !== this.#path) ours.delete(path);
  }

  async close(): Promise<void> {
    if (this.#path) ours.delete(this.#path);
    const file = this.#file;
    this.#file = undefined;
    this.#path = undefined;
    await file?.close();
  }
}

function lineOf({ opId, session, route, text }: Item): string {
  return `${JSON.stringify({ op_id: opId, session, route, event: text })}\n`;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function sizes(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory)) {
    bytes += (await stat(join(directory, name)).catch(() => ({ size: 0 }))).size;
  }
  return bytes;
}

/** So that the file's name is on the disk as well. */
async function syncDirectory(directory: string): Promise<void> {
  for (const path of [directory, dirname(directory)]) {
    const handle = await open(path, "r");
    await handle.sync().catch(() => {});
    await handle.close();
  }
}
