// Applications are made known by Auth0's published node client, with their logout settings.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { Management } from "auth0";
import { decodeJwt } from "jose";
import { oidcLogout } from "./configuration.js";
import { startReceiver } from "./receiver.js";
import { until } from "./until.js";
import { METADATA, startVestibule } from "./vestibule.js";

let vestibule, clients, receiver;
before(async () => {
  vestibule = await startVestibule();
  clients = vestibule.management.clients;
  receiver = await startReceiver();
});
after(async () => {
  await vestibule?.stop();
  await receiver?.stop();
});

/** Logs a user in at a client, ends the session, and gives the token that has come of it. */
async function logout(client) {
  const session = `sess_${randomUUID()}`;
  await vestibule.postLogin({ session, client });
  await vestibule.management.sessions.delete(session);
  const find = () => receiver.received.map(({ token }) => decodeJwt(token)).find(({ sid }) => sid === session);
  return until(`the end of ${session} at ${client}`, find);
}

test("a client is made, read, changed and deleted", async () => {
  const settings = oidcLogout(receiver.url, { initiators: ["rp-logout", "session-revoked"] });
  const made = await clients.create({ name: "Shop", oidc_logout: settings });
  assert.ok(made.client_id);
  assert.equal(made.name, "Shop");
  assert.deepEqual(made.oidc_logout, settings);
  const read = await clients.get(made.client_id);
  assert.equal(read.client_id, made.client_id);
  assert.deepEqual(read.oidc_logout, settings);

  const other = oidcLogout(`${receiver.url}/other`, { include: true });
  const changed = await clients.update(made.client_id, { oidc_logout: other });
  assert.equal(changed.name, "Shop");
  assert.deepEqual(changed.oidc_logout, other);
  assert.deepEqual((await clients.get(made.client_id)).oidc_logout, other);

  await clients.delete(made.client_id);
  await assert.rejects(clients.get(made.client_id), Management.NotFoundError);
});

test("clients are listed, page by page", async () => {
  const ids = [];
  for (const name of ["One", "Two", "Three"]) ids.push((await clients.create({ name, oidc_logout: oidcLogout(receiver.url) })).client_id);
  const found = new Map();
  for await (const client of await clients.list({ per_page: 2 })) found.set(client.client_id, client);
  for (const id of ids) assert.deepEqual(found.get(id)?.oidc_logout, oidcLogout(receiver.url));
  const all = [];
  for await (const client of await clients.list()) all.push(client.client_id);
  assert.deepEqual(all.sort(), [...found.keys()].sort());
});

test("a client that was made just now is told of a logout", async () => {
  const { client_id } = await clients.create({ name: "Shop", oidc_logout: oidcLogout(receiver.url) });
  const token = await logout(client_id);
  assert.deepEqual([token.aud].flat(), [client_id]);
  assert.ok(!("session_metadata" in token));
});

test("a client asks for the metadata, and asks for it no more", async () => {
  const { client_id } = await clients.create({ name: "Shop", oidc_logout: oidcLogout(receiver.url) });
  const ask = (backchannel_logout_session_metadata) =>
    clients.update(client_id, { oidc_logout: { ...oidcLogout(receiver.url), backchannel_logout_session_metadata } });
  await ask({ include: true });
  assert.deepEqual((await logout(client_id)).session_metadata, METADATA);
  await ask(null);
  assert.ok(!("session_metadata" in (await logout(client_id))));
});

test("settings that can't be are refused, and change nothing", async () => {
  const { client_id, oidc_logout } = await clients.create({ name: "Shop", oidc_logout: oidcLogout(receiver.url) });
  const wrong = {
    "not https": oidcLogout("http://shop.example/logout"),
    "not public": oidcLogout("https://10.0.0.1/logout"),
    "no URL": oidcLogout("logout"),
    "an unknown initiator": oidcLogout(receiver.url, { initiators: ["weather"] }),
  };
  for (const [what, settings] of Object.entries(wrong)) {
    await assert.rejects(clients.update(client_id, { oidc_logout: settings }), Management.BadRequestError, what);
  }
  assert.deepEqual((await clients.get(client_id)).oidc_logout, oidc_logout);
});

test("an unknown client is the client's own exception", async () => {
  await assert.rejects(clients.get("unknown"), Management.NotFoundError);
  await assert.rejects(clients.update("unknown", { name: "Shop" }), Management.NotFoundError);
});
