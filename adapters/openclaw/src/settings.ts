/** The plugin's part of the gateway's configuration. OpenClaw has held it against the schema already. */

export interface Settings {
  socket: string | undefined;
  url: string | undefined;
  token: string | undefined;
  program: string | undefined;
  args: string[];
  spool: string | undefined;
  budgetMs: number;
}

/** As long as a daemon has for a drain by default, in ms. */
const BUDGET_MS = 2_000;

export function settingsOf(said: Record<string, unknown> = {}): Settings {
  const text = (name: string) => (typeof said[name] === "string" && said[name] !== "" ? said[name] : undefined);
  const { args, budgetMs } = said;
  return {
    socket: text("socket"),
    url: text("url"),
    token: text("token"),
    program: text("program"),
    args: Array.isArray(args) ? args.map(String) : [],
    spool: text("spool"),
    budgetMs: typeof budgetMs === "number" ? budgetMs : BUDGET_MS,
  };
}
