// The logout token, claim by claim, against OpenID Connect Back-Channel Logout 1.0, sections 2.4
// and 2.5. It is read with `jose`, by the keys that the platform publishes.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { oidcLogout } from "./configuration.js";
import { startReceiver } from "./receiver.js";
import { until } from "./until.js";
import { METADATA, USER } from "./vestibule.js";
import { startWorld } from "./world.js";

const EVENT = "http://schemas.openid.net/event/backchannel-logout";
/** How long a token may be good for, in seconds. */
const LONGEST = 120;

let world, keys, plain, telling, late, choosy;
before(async () => {
  [plain, telling, late, choosy] = [await startReceiver(), await startReceiver(), await startReceiver([503]), await startReceiver()];
  world = await startWorld([
    { clientId: "plain", logout: oidcLogout(plain.url) },
    { clientId: "telling", logout: oidcLogout(telling.url, { include: true }) },
    { clientId: "late", logout: oidcLogout(late.url) },
    { clientId: "choosy", logout: oidcLogout(choosy.url, { initiators: ["rp-logout"] }) },
  ]);
  const { jwks_uri } = await (await fetch(`${world.issuer}/.well-known/openid-configuration`)).json();
  keys = createRemoteJWKSet(new URL(jwks_uri));
});
after(async () => {
  await world?.stop();
  for (const receiver of [plain, telling, late, choosy]) await receiver?.stop();
});

/** A session in which these clients took part. */
async function session(...clients) {
  const session = `sess_${randomUUID()}`;
  for (const client of clients) await world.vestibule.postLogin({ session, client });
  return session;
}

/** What has come to a receiver about a session. */
const about = (receiver, session) => receiver.received.filter(({ token }) => decodeJwt(token).sid === session);
const heard = (receiver, session, times = 1) =>
  until(`delivery ${times} of the end of ${session}`, () => about(receiver, session)[times - 1]);

/** Ends a session, and gives the token that a client gets, once its signature holds. */
async function ended(client, receiver) {
  const id = await session(client);
  const before = Math.floor(Date.now() / 1000);
  await world.vestibule.management.sessions.delete(id);
  const { token } = await heard(receiver, id);
  const { payload, protectedHeader } = await jwtVerify(token, keys);
  return { id, before, claims: payload, header: protectedHeader };
}

test("the request is a POST of a form with the token alone", async () => {
  const id = await session("plain");
  await world.vestibule.management.sessions.delete(id);
  const { method, type, fields } = await heard(plain, id);
  assert.equal(method, "POST");
  assert.match(type, /^application\/x-www-form-urlencoded(;|$)/);
  assert.deepEqual(fields, ["logout_token"]);
});

test("the header says that it is a logout token, and names a key of the platform", async () => {
  const { header } = await ended("plain", plain);
  assert.equal(header.typ, "logout+jwt");
  assert.ok(["RS256", "ES256"].includes(header.alg), header.alg);
  const { jwks_uri } = await (await fetch(`${world.issuer}/.well-known/openid-configuration`)).json();
  const published = await (await fetch(jwks_uri)).json();
  assert.ok(published.keys.some(({ kid }) => kid === header.kid), `the platform has no key ${header.kid}`);
});

test("it is from the platform, for the client, about the user's session", async () => {
  const { id, claims } = await ended("plain", plain);
  assert.equal(claims.iss, world.issuer);
  assert.deepEqual([claims.aud].flat(), ["plain"]);
  assert.equal(claims.sid, id);
  assert.equal(claims.sub, USER);
});

test("it is of now, and good for two minutes at most", async () => {
  const { before, claims } = await ended("plain", plain);
  assert.ok(Number.isInteger(claims.iat) && Number.isInteger(claims.exp));
  assert.ok(claims.iat >= before && claims.iat <= Math.ceil(Date.now() / 1000), `iat is ${claims.iat}`);
  assert.ok(claims.exp > claims.iat && claims.exp - claims.iat <= LONGEST, `it is good for ${claims.exp - claims.iat} s`);
});

test("its event is a logout, and nothing else", async () => {
  const { claims } = await ended("plain", plain);
  assert.deepEqual(claims.events, { [EVENT]: {} });
});

test("it can't be taken for an ID token", async () => {
  const { claims } = await ended("plain", plain);
  assert.ok(!("nonce" in claims));
});

test("each token has an id of its own", async () => {
  const ids = [(await ended("plain", plain)).claims.jti, (await ended("plain", plain)).claims.jti];
  assert.ok(ids.every((id) => typeof id === "string" && id.length > 0));
  assert.notEqual(ids[0], ids[1]);
});

test("the session's metadata is for those who asked for it", async () => {
  const id = await session("plain", "telling");
  await world.vestibule.management.sessions.delete(id);
  assert.deepEqual(decodeJwt((await heard(telling, id)).token).session_metadata, METADATA);
  assert.ok(!("session_metadata" in decodeJwt((await heard(plain, id)).token)));
});

test("each client of a session gets a token of its own", async () => {
  const id = await session("plain", "telling");
  await world.vestibule.management.sessions.delete(id);
  const tokens = [await heard(plain, id), await heard(telling, id)].map(({ token }) => decodeJwt(token));
  assert.deepEqual(tokens.map(({ aud }) => [aud].flat()), [["plain"], ["telling"]]);
  assert.notEqual(tokens[0].jti, tokens[1].jti);
});

test("a receiver that is away for a moment hears of the same delivery again", async () => {
  const id = await session("late");
  await world.vestibule.management.sessions.delete(id);
  const [first, second] = [await heard(late, id), await heard(late, id, 2)];
  assert.deepEqual([first.status, second.status], [503, 200]);
  assert.equal(decodeJwt(second.token).delivery_id, decodeJwt(first.token).delivery_id);
  assert.notEqual(decodeJwt(second.token).jti, decodeJwt(first.token).jti);
  await jwtVerify(second.token, keys);
});

test("a client hears of the initiators that it has chosen", async () => {
  const [deleted, left] = [await session("choosy", "plain"), await session("choosy", "plain")];
  await world.vestibule.management.sessions.delete(deleted);
  await heard(plain, deleted);
  await world.vestibule.endSession(left, "rp-logout");
  await heard(choosy, left);
  assert.deepEqual(about(choosy, deleted), []);
});
