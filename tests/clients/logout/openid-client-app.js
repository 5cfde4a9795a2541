// An application on `openid-client`. That library logs users in and leaves logout tokens to the
// application, which checks them here with `jose`, as strictly as the specification lets it (OpenID
// Connect Back-Channel Logout 1.0, section 2.6).

import { randomUUID } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as openid from "openid-client";
import { form } from "./listener.js";

const EVENT = "http://schemas.openid.net/event/backchannel-logout";
export const LOGOUT_PATH = "/logout";

/** Serves the application; gives what it was told, and what it answered. */
export async function serveOpenidClientApp({ at, issuer, clientId, clientSecret }) {
  const received = [];
  const [logins, sessions] = [new Map(), new Map()];
  const configuration = await openid.discovery(new URL(issuer), clientId, undefined, openid.ClientSecretPost(clientSecret));
  const server = configuration.serverMetadata();
  const keys = createRemoteJWKSet(new URL(server.jwks_uri));

  async function login(_, response) {
    const [id, verifier, state] = [randomUUID(), openid.randomPKCECodeVerifier(), openid.randomState()];
    logins.set(id, { verifier, state });
    const target = openid.buildAuthorizationUrl(configuration, {
      redirect_uri: `${at.url}/callback`,
      scope: "openid",
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
    });
    response.writeHead(302, { location: target.href, "set-cookie": cookie(id) }).end();
  }

  async function callback(request, response) {
    const { verifier, state } = logins.get(sessionId(request)) ?? {};
    const checks = { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true };
    const tokens = await openid.authorizationCodeGrant(configuration, new URL(request.url, at.url), checks);
    const id = randomUUID();
    sessions.set(id, tokens.claims());
    response.writeHead(302, { location: "/", "set-cookie": cookie(id) }).end();
  }

  function me(request, response) {
    const claims = sessions.get(sessionId(request));
    if (!claims) return response.writeHead(401).end();
    return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(claims));
  }

  async function logout(request, response) {
    const token = (await form(request)).get("logout_token");
    const told = { token };
    try {
      told.claims = await check(token);
      for (const [id, claims] of sessions) {
        const isMeant = told.claims.sid ? claims.sid === told.claims.sid : claims.sub === told.claims.sub;
        if (isMeant) sessions.delete(id);
      }
      // What the application keeps of it: which organization's user was logged out.
      told.organization = told.claims.session_metadata?.org_id;
      told.status = 200;
    } catch (error) {
      told.error = error;
      told.status = 400;
    }
    received.push(told);
    response.writeHead(told.status, { "cache-control": "no-store" }).end();
  }

  async function check(token) {
    const { payload } = await jwtVerify(token, keys, {
      issuer: server.issuer,
      audience: clientId,
      typ: "logout+jwt",
      algorithms: server.id_token_signing_alg_values_supported,
      requiredClaims: ["iat", "exp", "jti", "events"],
      maxTokenAge: "2 minutes",
    });
    const event = payload.events[EVENT];
    if (Object(event) !== event) throw new Error("not the event of a logout");
    if (!payload.sid && !payload.sub) throw new Error("neither `sid` nor `sub`");
    if ("nonce" in payload) throw new Error("a `nonce` is for ID tokens");
    return payload;
  }

  const routes = {
    "GET /": (_, response) => response.end("welcome"),
    "GET /login": login,
    "GET /callback": callback,
    "GET /me": me,
    [`POST ${LOGOUT_PATH}`]: logout,
  };
  at.serve(async (request, response) => {
    const route = routes[`${request.method} ${new URL(request.url, at.url).pathname}`];
    try {
      await (route ? route(request, response) : response.writeHead(404).end());
    } catch (error) {
      response.writeHead(500).end(`${error} ${error.cause ?? ""}`);
    }
  });

  const cookie = (id) => `${clientId}=${id}; Path=/; Secure; HttpOnly; SameSite=Lax`;
  const sessionId = (request) => request.headers.cookie?.match(new RegExp(`(?:^|; )${clientId}=([^;]+)`))?.[1];
  return received;
}
