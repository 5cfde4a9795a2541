// The running server that the clients speak to: where it is, and what they have no calls for.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { ManagementClient } from "auth0";

export const domain = process.env.VESTIBULE_DOMAIN;
export const secret = process.env.VESTIBULE_SECRET;
export const event = JSON.parse(await readFile(process.env.VESTIBULE_EVENT, "utf8"));
let logins = 0;

/** The client, with what it gets a token by. */
export const management = new ManagementClient({ domain, clientId: "platform", clientSecret: secret, maxRetries: 0 });

/** The client, with a token. */
export const withToken = (token) => new ManagementClient({ domain, token, maxRetries: 0 });

/** The client of another tenant, which takes few requests. */
export const busy = () =>
  new ManagementClient({ domain: process.env.VESTIBULE_BUSY_DOMAIN, clientId: "platform", clientSecret: secret, maxRetries: 0 });

export async function token(scope) {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: "platform",
    client_secret: secret,
    audience: `https://${domain}/api/v2/`,
    ...(scope && { scope }),
  });
  const answer = await fetch(`https://${domain}/oauth/token`, { method: "POST", body });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}

/** The event of a login that nobody else makes. */
export function newEvent(changes = {}) {
  logins += 1;
  return { ...event, session: { id: `sess_${process.pid}_${logins}` }, transaction: { id: `txn_${process.pid}_${logins}` }, ...changes };
}

/** Logs the user in, and gives the outcome. */
export async function run(sent) {
  const answer = await fetch(`https://${domain}/v1/post-login`, {
    method: "POST",
    headers: { authorization: `Bearer ${await token()}`, "content-type": "application/json" },
    body: JSON.stringify(sent),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

/** Logs the user in, and gives the session's id. */
export async function login(changes) {
  const sent = newEvent(changes);
  await run(sent);
  return sent.session.id;
}
