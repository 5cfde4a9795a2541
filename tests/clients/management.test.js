// Auth0's published node client against a running server, which it takes for Auth0.
//
// `cargo test --workspace --test clients` starts the server, with TLS, and says in the environment
// where it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementError, Management } from "auth0";
import { busy, event, login, management, token, withToken } from "./server.js";

const user = event.user.user_id;

test("a session is read with the metadata that the Action wrote", async () => {
  const id = await login();
  const session = await management.sessions.get(id);
  assert.equal(session.id, id);
  assert.equal(session.user_id, user);
  assert.deepEqual(session.session_metadata, { org_id: "org_abc123", org_name: "Acme Corp", org_slug: "acme" });
  assert.deepEqual(session.clients, [{ client_id: event.client.client_id }]);
  assert.ok(Date.parse(session.expires_at) > Date.now() && Date.parse(session.idle_expires_at) > Date.now());
});

test("metadata is replaced as a whole, and cleared", async () => {
  const id = await login();
  const changed = await management.sessions.update(id, { session_metadata: { tier: "gold" } });
  assert.deepEqual(changed.session_metadata, { tier: "gold" });
  const cleared = await management.sessions.update(id, { session_metadata: {} });
  assert.equal(cleared.session_metadata, null);
  assert.equal((await management.sessions.get(id)).session_metadata, null);
});

test("a session that was deleted or revoked is gone", async () => {
  for (const end of ["delete", "revoke"]) {
    const id = await login();
    await management.sessions[end](id);
    await assert.rejects(management.sessions.get(id), Management.NotFoundError);
  }
});

test("a user's sessions come page by page, and end together", async () => {
  const other = `auth0|of_many_${process.pid}`;
  const ids = [];
  for (let number = 0; number < 5; number += 1) {
    ids.push(await login({ user: { ...event.user, user_id: other } }));
  }
  const found = [];
  for await (const session of await management.users.sessions.list(other, { take: 2 })) {
    found.push(session.id);
  }
  assert.deepEqual(found.sort(), ids.sort());
  await management.users.sessions.delete(other);
  const left = await management.users.sessions.list(other);
  assert.deepEqual(left.data, []);
});

test("the log is read by pages and by checkpoints", async () => {
  const id = await login();
  const page = await management.logs.list({ per_page: 10 });
  assert.ok(page.data.some((entry) => entry.type === "s" && entry.session_id === id));
  const one = await management.logs.get(page.data[0].log_id);
  assert.equal(one.log_id, page.data[0].log_id);
});

test("each error is the client's own exception", async () => {
  const id = await login();
  const many = Object.fromEntries(Array.from({ length: 26 }, (_, number) => [`k${number}`, "v"]));
  const little = await token("read:logs");
  const cases = [
    [() => management.sessions.update(id, { session_metadata: many }), Management.BadRequestError, 400, "invalid_body"],
    [() => withToken("no.such.token").sessions.get(id), Management.UnauthorizedError, 401, "invalid_token"],
    [() => withToken(little).sessions.get(id), Management.ForbiddenError, 403, "insufficient_scope"],
    [() => management.sessions.get("sess_unknown"), Management.NotFoundError, 404, "inexistent_session"],
  ];
  for (const [call, kind, status, code] of cases) {
    await assert.rejects(call(), (error) => {
      assert.ok(error instanceof kind && error instanceof ManagementError, error.name);
      assert.equal(error.statusCode, status);
      assert.equal(error.body.errorCode, code);
      assert.equal(error.body.statusCode, status);
      return true;
    });
  }
});

test("too many requests are the client's own exception", async () => {
  const client = busy();
  const answers = await Promise.allSettled(Array.from({ length: 5 }, () => client.sessions.get("sess_unknown")));
  const errors = answers.map((answer) => answer.reason);
  assert.ok(errors.some((error) => error instanceof Management.TooManyRequestsError && error.statusCode === 429));
});
