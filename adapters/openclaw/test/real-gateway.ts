/** OpenClaw's own gateway, with an empty home and made-up keys, on loopback. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PACKAGE = fileURLToPath(new URL("../../../..", import.meta.url));

/** Much more than anything here takes, in ms. */
const PATIENCE_MS = 120_000;

/** The Node that it runs on: `LASTWORD_NODE`, or the one that runs the test. */
export const node = process.env["LASTWORD_NODE"] ?? process.execPath;

/** `LASTWORD_OPENCLAW`, or what `npm ci` has installed. */
const openclaw = join(process.env["LASTWORD_OPENCLAW"] ?? join(PACKAGE, "node_modules/openclaw"), "openclaw.mjs");

/** Why it cannot run here; nothing if it can. */
export async function lacks(): Promise<string | undefined> {
  if (!existsSync(openclaw)) return `${openclaw} is not there: npm ci, or LASTWORD_OPENCLAW`;
  const { stdout } = await promisify(execFile)(node, ["--version"]);
  const [major = 0, minor = 0] = stdout.trim().slice(1).split(".").map(Number);
  const isGood = (major === 24 && minor >= 16) || (major === 26 && minor >= 1) || major > 26;
  return isGood ? undefined : `OpenClaw needs Node 24.16 or 26.1, and ${node} is ${stdout.trim()}: LASTWORD_NODE`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

export class RealGateway {
  readonly home = mkdtempSync(join(tmpdir(), "openclaw-"));
  text = "";
  #child: ChildProcess | undefined;
  #left: Promise<number | string> | undefined;

  /** `config` is the plugin's; without one the gateway does not have it. */
  async start(config?: Record<string, unknown>): Promise<void> {
    const port = await freePort();
    const plugins = config && {
      allow: ["lastword-openclaw"],
      load: { paths: [PACKAGE] },
      entries: { "lastword-openclaw": { enabled: true, config } },
    };
    const settings = {
      gateway: { mode: "local", bind: "loopback", port, auth: { mode: "token", token: "made-up" } },
      ...(plugins ? { plugins } : {}),
    };
    mkdirSync(join(this.home, ".openclaw"), { recursive: true });
    writeFileSync(join(this.home, ".openclaw/openclaw.json"), JSON.stringify(settings));
    this.text = "";
    const child = spawn(node, [openclaw, "gateway", "run"], { env: this.#env(), stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (this.text += text));
    this.#left = new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal ?? "")));
    await this.until("[gateway] ready");
  }

  #env(): NodeJS.ProcessEnv {
    return {
      HOME: this.home,
      PATH: [dirname(node), "/usr/bin", "/bin"].join(delimiter),
      OPENCLAW_DISABLE_BONJOUR: "1",
      OPENCLAW_NO_RESPAWN: "1",
      OPENAI_API_KEY: "made-up",
    };
  }

  async until(text: string): Promise<void> {
    const began = Date.now();
    while (!this.text.includes(text)) {
      if (Date.now() - began > PATIENCE_MS || this.#child?.exitCode !== null)
        throw new Error(`no ${text} in:\n${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Makes a session, and resets it: it ends and begins again. */
  async session(name: string): Promise<void> {
    await this.#call("sessions.create", { key: `agent:main:${name}` });
    await this.#call("sessions.reset", { key: `agent:main:${name}`, reason: "new" });
  }

  /** As `openclaw gateway restart --safe` does it: in the same process here. */
  async restart(): Promise<void> {
    this.text = "";
    await this.#call("gateway.restart.request", { reason: "trial" });
    await this.until("[gateway] ready");
  }

  async #call(method: string, params: object): Promise<void> {
    const args = [
      openclaw,
      "gateway",
      "call",
      method,
      "--token",
      "made-up",
      "--json",
      "--params",
      JSON.stringify(params),
    ];
    await promisify(execFile)(node, args, { env: this.#env(), timeout: PATIENCE_MS });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** How it left, and how long that took in ms. */
  async leaves(signal: NodeJS.Signals): Promise<{ how: number | string; ms: number }> {
    const began = performance.now();
    this.signal(signal);
    const how = (await this.#left) ?? "";
    return { how, ms: performance.now() - began };
  }

  async remove(): Promise<void> {
    if (this.#child?.exitCode === null) await this.leaves("SIGKILL");
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}
