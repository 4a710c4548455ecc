// The daemon's page in a real browser, with the real program behind it: `cargo xtask test --browser`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const env = (name) => {
  const value = process.env[name];
  assert.ok(value, `${name} is missing: run cargo xtask test --browser`);
  return value;
};

// The packages are in the folder of the tools, and not here.
const fromPackages = createRequire(join(env("LASTWORD_BROWSER_PACKAGES"), "package.json"));
const { chromium } = fromPackages("playwright-core");
const axe = fromPackages("axe-core");

// So long a machine that does a lot besides may take.
const COMES_MS = 30_000;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const token = (name, role, tenant) => {
  const text = `lastword_${randomBytes(32).toString("hex")}`;
  const hash = createHash("sha256").update(text).digest("hex");
  const of = tenant ? `tenant = ${JSON.stringify(tenant)}\n` : "";
  return { text, entry: `[[token]]\nname = "${name}"\nsha256 = "${hash}"\nrole = "${role}"\n${of}` };
};

const operator = token("operator", "operator");
const reader = token("reader", "read-only", "acme");
const toml = (text) => JSON.stringify(text);

let home, daemon, base, browser;

const api = async (method, path, body) => {
  const headers = { authorization: `Bearer ${operator.text}` };
  const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
};

const start = (id, query = "tenant=acme") => api("POST", `/v1/sessions?${query}`, { session: { id } });
const end = (id, query = "tenant=acme") => api("POST", `/v1/sessions/${id}/end?${query}`, { reason: "completed" });

before(async () => {
  home = await mkdtemp(join(tmpdir(), "lastword-browser-"));
  await writeFile(join(home, "tokens.toml"), operator.entry + reader.entry);
  await writeFile(
    join(home, "lastword.toml"),
    `[daemon]
socket = "s"
listen = "127.0.0.1:0"
tokens = "tokens.toml"
owner-grace = "500ms"
[journal]
path = "journal.db"
[drain]
budget = "1s"
[[plugin]]
name = "session-log"
component = ${toml(env("LASTWORD_GOOD_PLUGIN"))}
[[plugin]]
name = "memory"
component = ${toml(env("LASTWORD_HANGING_PLUGIN"))}
limits = { deadline = "100ms" }
[[plugin]]
name = "webhook"
component = ${toml(env("LASTWORD_FAILING_PLUGIN"))}
`,
  );
  const args = ["serve", "--config", join(home, "lastword.toml"), "--spool", join(home, "spool")];
  daemon = spawn(env("LASTWORD_PROGRAM"), args, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(daemon.stdout), "line");
  base = `http://${JSON.parse(line).addresses[0]}`;
  const isRoot = process.getuid?.() === 0;
  // As root the browser has no sandbox of its own; it shows nothing but our page.
  browser = await chromium.launch({ executablePath: env("LASTWORD_BROWSER"), args: isRoot ? ["--no-sandbox"] : [] });

  // One plugin hangs, one gives up, an owner said goodbye, and one dies.
  for (const n of [1, 2, 3]) {
    await start(`ended-${n}`);
    await end(`ended-${n}`);
  }
  await api("PUT", "/v1/owners/gateway?tenant=acme", { lease: "1h", kind: "openclaw" });
  await start("drained", "tenant=acme&owner=gateway");
  await api("DELETE", "/v1/owners/gateway?tenant=acme&reason=restart");
  await api("PUT", "/v1/owners/agent?tenant=acme", { lease: "1s", kind: "codex" });
  await start("left", "tenant=acme&owner=agent");
  await start('<script>alert("acme")</script>\u202e');
  await start("other-tenants", "tenant=other");
});

after(async () => {
  await browser?.close();
  if (daemon && daemon.exitCode === null) {
    daemon.kill("SIGKILL");
    await once(daemon, "exit");
  }
  await rm(home, { recursive: true, force: true });
});

// A browser of one person, and what it complains of.
const open = async (options = {}) => {
  const context = await browser.newContext({ viewport: DESK, baseURL: base, ...options });
  context.setDefaultTimeout(COMES_MS);
  const page = await context.newPage();
  const complaints = [];
  // The form for the token is answered 401, of which the browser tells.
  page.on("console", (said) => said.type() === "error" && !said.text().includes("401") && complaints.push(said.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { context, page, complaints };
};

const logIn = async (page, who) => {
  await page.goto("/");
  await page.getByLabel("Token").fill(who.text);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("#wrong").waitFor();
};

// What is neither seen nor heard as it should be.
const looked = async (page, name) => {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(said, [], name);
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(width[0] <= width[1], `${name} is wider than the window: ${width}`);
  await page.screenshot({ path: join(env("LASTWORD_PICTURES"), `${name}.png`), fullPage: true });
};

test("a login is a cookie that no script sees, and it ends", async () => {
  const { context, page, complaints } = await open();
  await page.goto("/");
  await looked(page, "login");
  await page.getByLabel("Token").fill("lastword_0");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  await logIn(page, operator);
  const cookies = await context.cookies();
  assert.equal(cookies.length, 1);
  const [cookie] = cookies;
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/"]);
  assert.ok(!cookie.value.includes(operator.text) && !(await page.content()).includes(operator.text));
  assert.equal(await page.evaluate(() => document.cookie), "");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("what is wrong is seen first: the plugin that hangs, and the owner that died", async () => {
  const { context, page, complaints } = await open();
  await logIn(page, operator);
  const findings = page.locator("#wrong");
  await findings.getByText(/hangs, its last \d+ calls were cut at their deadline/).waitFor();
  await findings.getByText(/died .*its lease lapsed/).waitFor();
  assert.match(await findings.getByRole("heading").innerText(), /things are wrong; 1 to know/);
  assert.match(await page.title(), /^memory: hangs, /, "the tab says it as well");
  const first = await findings.locator("li").first().innerText();
  assert.match(first, /memory: hangs[^]*What to do: [^]*limits\.deadline[^]*lastword reload/);
  await findings.locator("li").first().getByRole("link", { name: "Show the deliveries" }).click();
  await page.locator("#owed").getByText(/cut after 100 ms, waiting for/).first().waitFor();
  const top = await findings.boundingBox();
  assert.ok(top.y < 200, `it is at the top: ${top.y}`);
  assert.ok(await page.locator("#sessions").getByText('<script>alert("acme")</script>\\u{202e}').isVisible());
  // Its session has ended, and that is on the page.
  await page.locator("#owners").getByText("its sessions were ended").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("what happens is there without a click, and the page is not loaded anew for it", async () => {
  const { context, page, complaints } = await open();
  await logIn(page, operator);
  await page.locator("#live.is-live").waitFor();
  await page.evaluate(() => (globalThis.isTheSame = true));
  await start("came-while-looking");
  const row = page.locator("#sessions").getByText("came-while-looking");
  await row.waitFor();
  await end("came-while-looking");
  await row.waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => globalThis.isTheSame), true);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a click into a table holds up nothing that happens in it", async () => {
  const { context, page, complaints } = await open();
  await logIn(page, operator);
  await page.locator("#live.is-live").waitFor();
  await page.locator("#sessions td").first().click();
  const hasTable = () => page.evaluate(() => document.activeElement.closest("#sessions .scroll") !== null);
  assert.ok(await hasTable());
  await start("came-behind-a-click");
  await page.locator("#sessions").getByText("came-behind-a-click").waitFor();
  assert.ok(await hasTable(), "the table has the focus still");
  await end("came-behind-a-click");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a window that nobody looks at keeps no connection, and has everything when somebody does", async () => {
  const { context, page, complaints } = await open();
  await page.addInitScript(() => {
    const Real = globalThis.EventSource;
    globalThis.streams = [];
    globalThis.EventSource = class extends Real {
      constructor(...of) {
        super(...of);
        globalThis.streams.push(this);
      }
    };
  });
  await logIn(page, operator);
  await page.locator("#live.is-live").waitFor();
  const look = (isHidden) =>
    page.evaluate((isHidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
      document.dispatchEvent(new Event("visibilitychange"));
      return globalThis.streams.map((stream) => stream.readyState === EventSource.CLOSED);
    }, isHidden);
  assert.deepEqual(await look(true), [true]);
  await start("came-while-nobody-looked");
  assert.deepEqual(await look(false), [true, false]);
  await page.locator("#sessions").getByText("came-while-nobody-looked").waitFor();
  await end("came-while-nobody-looked");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("what was given up is redelivered with the keyboard", async () => {
  const { context, page, complaints } = await open();
  await logIn(page, operator);
  const button = page.getByRole("button", { name: /^Redeliver \S+\/webhook$/ }).first();
  await button.focus();
  await page.keyboard.press("Enter");
  await page.getByText(/1 delivery is owed again/).waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("what was given up is dropped with the keyboard, behind a question that stays open", async () => {
  const { context, page, complaints } = await open();
  await logIn(page, operator);
  await page.locator("#live.is-live").waitFor();
  const question = page.locator("#owed details").filter({ hasText: /Drop \S+\/webhook…/ }).first();
  const same = page.locator(`#owed details[data-of="${await question.getAttribute("data-of")}"]`);
  const button = same.getByRole("button", { name: /^Yes, drop it: \S+\/webhook$/ });
  assert.equal(await button.isVisible(), false);
  await same.locator("summary").focus();
  await page.keyboard.press("Enter");
  await button.waitFor();
  // What happens meanwhile is put in place, and the question stays open.
  await page.evaluate(() => document.activeElement.blur());
  await start("came-behind-a-question");
  await end("came-behind-a-question");
  await page.locator("#owed").getByText("came-behind-a-question").first().waitFor();
  await button.focus();
  await page.keyboard.press("Enter");
  await page.getByText(/1 delivery was dropped/).waitFor();
  assert.equal(await same.count(), 0);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the first key leads past the head of the page", async () => {
  const { context, page } = await open();
  await logIn(page, operator);
  await page.reload();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to what is wrong");
  await context.close();
});

test("a drain is a bar on the timeline", async () => {
  const { context, page } = await open();
  await logIn(page, operator);
  const row = page.locator("#drains tbody tr").filter({ hasText: "gateway" });
  const bar = row.getByRole("img");
  assert.match(await bar.getAttribute("aria-label"), /delivered, \d+ failed, \d+ left for later/);
  const parts = await bar.locator("rect:not(.budget)").count();
  assert.ok(parts >= 1 && (await bar.boundingBox()).width > 100, `${parts}`);
  await context.close();
});

test("who may only read has no button, and a tenant sees its own", async () => {
  const { context, page, complaints } = await open();
  await logIn(page, reader);
  assert.equal(await page.getByRole("button", { name: /Redeliver/ }).count(), 0);
  assert.equal(await page.locator("details").count(), 0);
  const text = await page.locator("body").innerText();
  assert.ok(text.includes("tenant acme") && text.includes("webhook") && !text.includes("other-tenants"), text);
  const refused = await page.evaluate(async () => {
    const fields = { form: document.querySelector("[name=form]").value, plugin: "webhook", state: "dead" };
    const send = async (path) => (await fetch(path, { method: "POST", body: new URLSearchParams(fields) })).status;
    return [await send("/redeliver"), await send("/drop")];
  });
  assert.deepEqual(refused, [403, 403]);
  // The browser tells of what was refused.
  assert.ok(complaints.every((said) => said.includes("403")), `${complaints}`);
  await context.close();
});

test("without a script everything is there", async () => {
  const { context, page } = await open({ javaScriptEnabled: false });
  await logIn(page, operator);
  for (const id of ["wrong", "owed", "plugins", "drains", "owners", "sessions"]) {
    assert.ok(await page.locator(`#${id}`).isVisible(), id);
  }
  const question = page.locator("#owed details").filter({ hasText: /Drop \S+\/webhook…/ }).first();
  await question.locator("summary").click();
  await question.getByRole("button", { name: /^Yes, drop it/ }).click();
  await page.getByText(/1 delivery was dropped/).waitFor();
  await page.getByRole("button", { name: /^Redeliver all of webhook$/ }).click();
  await page.getByText(/owed again|Nothing was redelivered/).waitFor();
  await context.close();
});

test("it is seen and heard in the dark, in the light and on a phone", async () => {
  const looks = [
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["phone", { colorScheme: "light", viewport: PHONE }],
    ["phone-dark", { colorScheme: "dark", viewport: PHONE }],
  ];
  for (const [name, options] of looks) {
    const { context, page } = await open(options);
    await logIn(page, operator);
    await looked(page, name);
    await page.locator("#owed td.action summary").first().click();
    await page.locator("#owed td.action").getByRole("button", { name: /^Yes, drop it/ }).first().waitFor();
    await looked(page, `${name}-question`);
    await context.close();
  }
  const { context, page } = await open({ viewport: PHONE });
  await logIn(page, reader);
  await looked(page, "phone-reader");
  await context.close();
});
