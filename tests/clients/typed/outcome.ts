// Reads every member of outcomes by the types that are generated from the OpenAPI document. It
// doesn't compile where the document lacks one.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import type { components, operations } from "./schema.js";

type Outcome = components["schemas"]["Outcome"];
type Event = operations["post_login"]["requestBody"]["content"]["application/json"];

// What a platform sends: these members are required, and no others.
export const event: Event = {
  tenant: { id: "acme" },
  user: { user_id: "auth0|1", created_at: "2026-01-01T00:00:00.000Z", updated_at: "2026-11-24T09:30:00.000Z" },
  client: { client_id: "shop", name: "Shop" },
  connection: { id: "con_1", name: "Passwords", strategy: "auth0" },
  request: { ip: "203.0.113.7", method: "POST" },
};

// A member of each object that a reader forgets is an error of the compiler.
type Reader<T> = { [Member in keyof Required<T>]: (value: T[Member]) => unknown };

const action: Reader<Outcome["actions"][number]> = {
  name: (name) => name.length,
  version: (version) => version.length,
  result: (result) => ({ ok: 0, denied: 1, revoked: 2, failed: 3, not_run: 4 })[result],
  error: (error) => error && [error.kind, error.message, error.code?.length, error.limit?.length],
  place: (place) => place?.split(":"),
  trace: (trace) => trace.map((frame) => [frame.code.length, frame.function?.length, frame.place?.length]),
  duration_us: (duration) => duration + 1,
  cpu_time_us: (time) => time + 1,
  fuel: (fuel) => fuel ?? 0,
  peak_memory_bytes: (bytes) => bytes + 1,
  requests: (requests) =>
    requests.map((request) => [
      request.method.length,
      request.origin.length,
      request.status ?? 0,
      request.error && [request.error.kind.length, request.error.limit?.length, request.error.message.length],
      request.bytes_sent + request.bytes_received + request.duration_us,
    ]),
  logs: (lines) => lines.map((line) => [{ error: 0, warn: 1, info: 2, debug: 3, trace: 4 }[line.level], line.message.length]),
  logs_cut: (cut) => !cut,
};

const outcome: Reader<Outcome> = {
  decision: (decision) => ({ allow: 0, deny: 1, failed: 2 })[decision],
  reason: (reason) => reason?.length,
  action: (name) => name?.split("@"),
  error: (error) => error && [error.kind, error.message.length, error.code, error.limit],
  session: (session) => [
    session.id?.length,
    Object.values(session.metadata).map((value) => value.length),
    !session.metadata_evicted,
    Object.values(session.metadata_changes).map((change) => [change.value?.length, change.action.length]),
    session.expires_at && Date.parse(session.expires_at),
    session.idle_expires_at && Date.parse(session.idle_expires_at),
    session.cookie_mode && { persistent: 0, "non-persistent": 1 }[session.cookie_mode],
    session.revoked && [session.revoked.reason.length, !session.revoked.preserve_refresh_tokens, session.revoked.action.length],
  ],
  access_token: (token) => token && [Object.keys(token.claims), token.added_scopes.length, token.removed_scopes.length],
  id_token: (token) => token && [Object.keys(token.claims), token.added_scopes.length, token.removed_scopes.length],
  user: (user) => [Object.keys(user.user_metadata), Object.keys(user.app_metadata)],
  transaction: (transaction) => Object.values(transaction.metadata).map((value: string | number | boolean) => value),
  refresh_token: (token) =>
    token && [
      token.id.length,
      Object.values(token.metadata).map((value) => value.length),
      !token.metadata_evicted,
      Object.values(token.metadata_changes).map((change) => [change.value?.length, change.action.length]),
      token.expires_at && Date.parse(token.expires_at),
      token.idle_expires_at && Date.parse(token.idle_expires_at),
      token.revoked && [token.revoked.value.length, token.revoked.action.length],
    ],
  multifactor: (factor) =>
    factor && [
      { any: 0, duo: 1, "google-authenticator": 2, guardian: 3 }[factor.provider],
      !factor.allow_remember_browser,
      factor.action.length,
    ],
  saml_response: (saml) => saml && [Object.keys(saml.attributes), saml.audience?.length, saml.sign_response, saml.lifetime_in_seconds],
  cache: (cache) => Object.values(cache.changes).map((change) => [change.value?.value.length, change.value?.expires_at, change.action]),
  actions: (actions) => actions.map((report) => read(report, action)),
};

function read<T extends object>(value: T, reader: Reader<T>): unknown[] {
  const readers = reader as Record<string, (value: unknown) => unknown>;
  const unknown = Object.keys(value).filter((member) => !(member in readers));
  if (unknown.length > 0) throw new Error(`the document lacks ${unknown.join(", ")}`);
  return Object.entries(readers).map(([member, one]) => one((value as Record<string, unknown>)[member]));
}

const folder = process.argv[2] ?? ".";
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
for (const name of names) read(JSON.parse(readFileSync(join(folder, name), "utf8")) as Outcome, outcome);
console.log(`read ${names.length} outcomes`);
