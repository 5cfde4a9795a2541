// A session ends at Vestibule, and published applications end theirs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { decodeJwt } from "jose";
import { browser } from "./browser.js";
import { until } from "./until.js";
import { METADATA, USER } from "./vestibule.js";
import { startWorld } from "./world.js";

let world;
before(async () => (world = await startWorld()));
after(() => world?.stop());

/** A user at both applications, in one session of the platform. */
async function loggedIn() {
  const user = browser();
  const claims = await user.login(world.shop);
  assert.equal(claims.sub, USER);
  assert.equal((await user.login(world.board)).sid, claims.sid, "one session of the platform has two ids");
  return { user, session: claims.sid };
}

/** Waits until an application has heard of a session's end, and gives what it was told and what it answered. */
function heard(application, session) {
  const find = () => application.received.find(({ token }) => decodeJwt(token).sid === session);
  return until(`the end of ${session} at ${application.clientId}`, find);
}

test("both applications log in, and Vestibule knows the session by their `sid`", async () => {
  const { session } = await loggedIn();
  const kept = await world.vestibule.management.sessions.get(session);
  assert.equal(kept.user_id, USER);
  assert.deepEqual(kept.session_metadata, METADATA);
  assert.deepEqual(kept.clients.map(({ client_id }) => client_id).sort(), ["board", "shop"]);
});

const ends = {
  "that is deleted": (session) => world.vestibule.management.sessions.delete(session),
  "that is revoked": (session) => world.vestibule.management.sessions.revoke(session),
  "of which the platform says that it is over": (session) => world.vestibule.endSession(session, "rp-logout"),
};
for (const [how, end] of Object.entries(ends)) {
  test(`a session ${how} ends at both applications`, async () => {
    const { user, session } = await loggedIn();
    await end(session);
    assert.equal((await heard(world.shop, session)).status, 204);
    const told = await heard(world.board, session);
    assert.equal(told.status, 200, String(told.error));
    assert.equal(await user.user(world.shop), null);
    assert.equal(await user.user(world.board), null);
  });
}

test("the application that asked for the metadata reads the organization from its token", async () => {
  const { session } = await loggedIn();
  await world.vestibule.management.sessions.delete(session);
  const told = await heard(world.board, session);
  assert.equal(told.organization, METADATA.org_id);
  assert.deepEqual(told.claims.session_metadata, METADATA);
});

test("an application that took no part hears nothing, and the user stays logged in elsewhere", async () => {
  const [one, other] = [browser(), browser()];
  const { sid } = await one.login(world.board);
  const { sid: stays } = await other.login(world.board);
  await world.vestibule.management.sessions.delete(sid);
  await heard(world.board, sid);
  assert.equal(await one.user(world.board), null);
  assert.equal((await other.user(world.board)).sid, stays);
  // A session of both, ended after it: what comes for that one would have come after what must not
  // come.
  const { session } = await loggedIn();
  await world.vestibule.management.sessions.delete(session);
  await heard(world.shop, session);
  const sids = world.shop.received.map(({ token }) => decodeJwt(token).sid);
  assert.ok(!sids.includes(sid), "the shop has heard of a session in which it took no part");
});

test("a user is logged out although the application's store was away at the first attempt", async () => {
  const { user, session } = await loggedIn();
  world.shop.breakStore(2);
  await world.vestibule.management.sessions.delete(session);
  const answers = () => world.shop.received.filter(({ token }) => decodeJwt(token).sid === session).map(({ status }) => status);
  await until(`two attempts at the shop for ${session}`, () => answers().length === 2);
  assert.deepEqual(answers(), [400, 204]);
  assert.equal(await user.user(world.shop), null);
});

test("a user who was logged out logs in again", async () => {
  const { session } = await loggedIn();
  await world.vestibule.management.sessions.delete(session);
  await heard(world.shop, session);
  const again = browser();
  const { sid } = await again.login(world.shop);
  assert.notEqual(sid, session);
  assert.equal((await again.user(world.shop)).sid, sid);
});
