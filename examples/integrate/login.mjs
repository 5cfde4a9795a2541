// An identity platform's side of a login: `node login.mjs EVENT.json`, and a line on standard input for the second factor.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const { VESTIBULE_URL: url, VESTIBULE_CLIENT_ID: client_id, VESTIBULE_CLIENT_SECRET: client_secret } = process.env;
let token = { until: 0 };

/** One request, sent again with the same body until it is answered: the same transaction is never run twice. */
async function call(path, body, headers = {}) {
  for (let attempt = 1; ; attempt++) {
    const signal = AbortSignal.timeout(10_000);
    const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers }, signal };
    const response = await fetch(url + path, init).catch((error) => ({ status: 503, json: () => ({ message: error.message }) }));
    if ((response.status < 500 && response.status !== 429) || attempt === 5) return response;
    await sleep(1000 * Math.min(Number(response.headers?.get("retry-after") ?? attempt), 10));
  }
}

async function authorized(path, body) {
  if (Date.now() > token.until) {
    const audience = `${url}/api/v2/`;
    const { access_token, expires_in } = await (await call("/oauth/token", { grant_type: "client_credentials", client_id, client_secret, audience })).json();
    token = { text: access_token, until: Date.now() + (expires_in - 60) * 1000 };
  }
  return call(path, body, { authorization: `Bearer ${token.text}` });
}

const newTransaction = (event) => ({ ...event, transaction: { ...event.transaction, id: randomUUID() } });
const newSession = (event) => ({ ...newTransaction(event), session: { id: randomUUID() } });
/** What is sent after a 409, by its `errorCode`. A session that is alive goes on: its cookie is all that the user has of it. */
const afterConflict = {
  session_contended: (event) => event,
  transaction_mismatch: newTransaction,
  answer_not_stored: newTransaction,
  session_ended: newSession,
  session_of_another_user: newSession,
};

async function login(event, secondFactor) {
  let response, outcome;
  for (let attempt = 1; attempt <= 3; attempt++) {
    response = await authorized("/v1/post-login", event);
    outcome = await response.json();
    const next = response.status === 409 && afterConflict[outcome.errorCode];
    if (!next) break;
    event = next(event);
  }
  // Without an answer there are no tokens: an Action may be what keeps this user out.
  if (response.status !== 200) return { error: "temporarily_unavailable", description: outcome.message };
  if (outcome.decision === "deny") return { error: "access_denied", description: outcome.reason };
  if (outcome.decision !== "allow") return { error: "server_error", description: "the login can't be completed" };
  if (outcome.multifactor && !(await secondFactor(outcome.multifactor))) {
    await authorized(`/v1/sessions/${encodeURIComponent(outcome.session.id)}/end`, { initiator: "session-revoked" });
    return { error: "access_denied", description: "the second factor was not proved" };
  }
  const { added_scopes, removed_scopes, claims } = outcome.access_token;
  const scopes = [...(event.transaction?.requested_scopes ?? []), ...added_scopes].filter((scope) => !removed_scopes.includes(scope));
  const subject = { sub: event.user.user_id };
  return {
    id_token: { ...outcome.id_token.claims, ...subject, ...(outcome.session.id && { sid: outcome.session.id }) },
    access_token: { ...claims, ...subject, scope: scopes.join(" ") },
    user: outcome.user, // members to set, and to remove where they are null
  };
}

const typed = () => readFileSync(0, "utf8").trim() === "yes";
console.log(JSON.stringify(await login(JSON.parse(readFileSync(process.argv[2], "utf8")), typed)));
