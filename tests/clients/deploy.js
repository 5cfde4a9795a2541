// auth0-deploy-cli exports a tenant, imports what it has exported, and exports the same again.
//
// This is a program of its own and no test of node's runner: the hooks of that runner crash Node 20
// with the timers that the tool makes.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import deployCli from "auth0-deploy-cli";
import { domain, management, secret } from "./server.js";

const folder = await mkdtemp(join(tmpdir(), "deploy-"));

const config = { AUTH0_DOMAIN: domain, AUTH0_CLIENT_ID: "platform", AUTH0_CLIENT_SECRET: secret };
const names = ["[PROD] Add roles (v2)", "Enrich: ID & access tokens", "plain-name"];

async function exported(name) {
  const output_folder = join(folder, name);
  await deployCli.dump({ output_folder, format: "yaml", config });
  return readFile(join(output_folder, "tenant.yaml"), "utf8");
}

try {
  const shop = await management.clients.create({
    name: "Shop [EU] (web)",
    app_type: "regular_web",
    callbacks: ["https://shop.example/callback"],
    allowed_logout_urls: ["https://shop.example/"],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "client_secret_post",
    oidc_conformant: true,
    jwt_configuration: { alg: "RS256", lifetime_in_seconds: 36000 },
    refresh_token: { rotation_type: "rotating", expiration_type: "expiring" },
    client_metadata: { team: "checkout" },
    oidc_logout: { backchannel_logout_urls: ["https://shop.example/logout"] },
  });
  for (const name of names) {
    await management.actions.create({ name, supported_triggers: [{ id: "post-login", version: "v3" }], code: "" });
  }

  const first = await exported("first");
  for (const expected of [...names, "Shop [EU] (web)", "https://shop.example/callback", "refresh_token", "checkout"]) {
    assert.ok(first.includes(expected), `${expected} is not in\n${first}`);
  }

  // Changed by hand and removed since: an import brings both back.
  await management.clients.update(shop.client_id, { callbacks: [], client_metadata: { team: null } }).catch(() => undefined);
  await management.clients.delete(shop.client_id);
  const input_file = join(folder, "first", "tenant.yaml");
  await deployCli.deploy({ input_file, config });
  assert.equal(await exported("second"), first);

  // A change in the file is a change of the client.
  await writeFile(input_file, first.replace("https://shop.example/callback", "https://shop.example/back"));
  await deployCli.deploy({ input_file, config });
  const changed = (await management.clients.list({ per_page: 100 })).data.find(({ name }) => name === "Shop [EU] (web)");
  assert.deepEqual(changed.callbacks, ["https://shop.example/back"]);
  assert.equal(changed.client_metadata.team, "checkout");
  console.log("what was exported is imported, and exported the same again");
} finally {
  await rm(folder, { recursive: true, force: true });
}
