// Vestibule, started as an operator does, and what the tests ask it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { ManagementClient } from "auth0";
import { certificates } from "./certificates.js";
import { configuration, PLATFORM } from "./configuration.js";

const COMMAND = process.env.VESTIBULE_BIN;
const SECRET = "a secret of the tests";
const EVENT = JSON.parse(await readFile(new URL("../../../examples/serve/login.json", import.meta.url), "utf8"));

/** The user whom the example's event is about. */
export const USER = EVENT.user.user_id;
/** What the example's Action writes about the event's organization. */
export const METADATA = { org_id: "org_abc123", org_name: "Acme Corp", org_slug: "acme" };

/** Starts it for a platform and its applications. */
export async function startVestibule({ issuer, keyPem, keyId, applications } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "vestibule-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  const key = { file: join(folder, "provider-key.pem"), id: keyId };
  if (keyPem) await writeFile(key.file, keyPem, { mode: 0o600 });
  const told = { certificates: certificates(), secretHash: await hash(SECRET), component: process.env.VESTIBULE_COMPONENT };
  const file = join(folder, "vestibule.toml");
  await writeFile(file, configuration({ ...told, issuer, applications }));
  const { port, stop } = await (keyPem ? importKey(file, key) : Promise.resolve()).then(() => serve(file)).catch(async (error) => {
    await remove();
    throw error;
  });
  return {
    ...client(`localhost:${port}`),
    async stop() {
      await stop().finally(remove);
    },
  };
}

async function hash(secret) {
  const child = spawn(COMMAND, ["hash-secret"], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(secret);
  return (await text(child.stdout)).trim();
}

/** Gives it the platform's key, as an operator does. */
async function importKey(file, { file: pem, id }) {
  const imported = ["keys", "import", "--config", file, "--tenant", "acme", "--pem", pem, "--key-id", id];
  const child = spawn(COMMAND, imported, { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  assert.equal(code, 0, "the key can't be imported");
}

/** Runs the server, and reads its port from what it tells. */
async function serve(file) {
  const child = spawn(COMMAND, ["serve", "--config", file], { stdio: ["ignore", "ignore", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  const ended = once(child, "exit");
  let told = "";
  const port = await new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stderr });
    lines.on("line", (line) => {
      told += `${line}\n`;
      if (line.includes("listening")) resolve(line.match(/"address":"[^"]*:(\d+)"/)?.[1]);
    });
    lines.on("close", () => reject(new Error(`the server has not started:\n${told}`)));
  });
  assert.ok(port, `no address of the server in what it tells:\n${told}`);
  const stop = async () => {
    child.kill("SIGTERM");
    const [code] = await ended;
    process.off("exit", kill);
    assert.equal(code, 0, `the server has not ended well:\n${told}`);
  };
  return { port, stop };
}

/** What the platform, and whoever manages it, ask of Vestibule at a domain. */
function client(domain) {
  const management = new ManagementClient({ domain, clientId: PLATFORM, clientSecret: SECRET, maxRetries: 0 });
  const post = async (path, body) =>
    fetch(`https://${domain}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${await token(domain)}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    management,
    /** The platform's question at a login: the outcome of the tenant's Actions. */
    async postLogin({ session, client, user = USER }) {
      const event = {
        ...EVENT,
        session: { id: session },
        transaction: { id: `txn_${randomUUID()}` },
        client: { client_id: client, name: client },
        user: { ...EVENT.user, user_id: user },
      };
      const answer = await post("/v1/post-login", event);
      assert.equal(answer.status, 200, await answer.clone().text());
      return answer.json();
    },
    /** The platform says that a session has ended, and by what. */
    async endSession(session, initiator) {
      const answer = await post(`/v1/sessions/${session}/end`, { initiator });
      assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
    },
  };
}

async function token(domain) {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: PLATFORM,
    client_secret: SECRET,
    audience: `https://${domain}/api/v2/`,
  });
  const answer = await fetch(`https://${domain}/oauth/token`, { method: "POST", body });
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()).access_token;
}
