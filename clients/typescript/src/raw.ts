/**
 * A raw connection to the daemon's Unix socket. The connection itself is the owner: when it closes without a goodbye,
 * its sessions end.
 */

import { connect } from "node:net";

import { Unavailable } from "./errors.js";
import type { Item } from "./event.js";
import { Requests } from "./http.js";
import { CONNECT_TIMEOUT_MS } from "./limits.js";
import { Lines } from "./lines.js";
import type { Link, Linker, Result } from "./link.js";

export class RawLinker implements Linker {
  readonly target: string;
  readonly isOwner = true;
  readonly #path: string;
  readonly #requests: Requests;

  constructor(path: string) {
    this.#path = path;
    this.target = `unix:${path}`;
    this.#requests = new Requests({ socket: path });
  }

  connect(): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#path);
      socket.setEncoding("utf8");
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error("the daemon does not take the connection")));
      const lines = new Lines({
        write: (text) => void socket.write(text),
        destroy: () => void socket.destroy(),
        hold: (holds) => void (holds ? socket.ref() : socket.unref()),
      });
      socket.on("connect", () => {
        socket.setTimeout(0);
        resolve(lines);
      });
      socket.on("data", (text: string) => lines.take(text));
      socket.on("error", (error) => {
        lines.lose(error.message);
        reject(new Unavailable(error.message));
      });
      socket.on("close", () => lines.lose("the daemon has closed the connection"));
    });
  }

  hold(holds: boolean): void {
    this.#requests.holds = holds;
  }

  /** Over HTTP to the same socket, because a line has no outcome of its own. It names no owner: the session is over. */
  ask(item: Item): Promise<Result> {
    return this.#requests.event(item, undefined);
  }
}
