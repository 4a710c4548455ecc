/** `lastword stdio` as a child, where there is no daemon. When it or the gateway dies, the journal has what is owed. */

import { spawn } from "node:child_process";
import type { Socket } from "node:net";

import { Unavailable } from "../../../clients/typescript/src/errors.js";
import { Lines } from "../../../clients/typescript/src/lines.js";
import type { Link, Linker } from "../../../clients/typescript/src/link.js";

export class ChildLinker implements Linker {
  readonly target: string;
  readonly isOwner = true;
  readonly #program: string;
  readonly #args: string[];

  constructor(program: string, args: string[]) {
    this.#program = program;
    this.#args = args;
    this.target = `child:${[program, ...args].join(" ")}`;
  }

  connect(): Promise<Link> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#program, ["stdio", "--from", "openclaw", ...this.#args], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const streams = [child.stdin, child.stdout] as unknown as Socket[];
      const hold = (holds: boolean) => {
        for (const one of [child, ...streams]) holds ? one.ref() : one.unref();
      };
      const lines = new Lines(
        // Without its input the child ends the sessions that are left.
        { write: (text) => void child.stdin.write(text), destroy: () => void child.stdin.end(), hold },
        // It has no line for it in this format; SIGTERM is a drain with the reason `shutdown`.
        () => void child.kill("SIGTERM"),
      );
      child.stdout.setEncoding("utf8");
      let isReady = false;
      child.stdout.on("data", (text: string) => {
        // Its first line says that it is ready.
        if (!isReady) resolve(lines);
        isReady = true;
        lines.take(text);
      });
      const gone = (why: string) => {
        lines.lose(why);
        reject(new Unavailable(why));
      };
      child.stdin.on("error", (error) => gone(error.message));
      child.on("error", (error) => gone(error.message));
      child.on("close", (code, signal) => gone(`${this.#program} has left with ${code ?? signal}`));
    });
  }
}
