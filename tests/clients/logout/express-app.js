// An application on `express-openid-connect`, as its documentation has it: nothing of the logout is
// ours.

import express from "express";
import openid from "express-openid-connect";
import memorystore from "memorystore";

const { auth } = openid;
const MemoryStore = memorystore(auth);

/** Where it is told that a session has ended: the library's own path. */
export const LOGOUT_PATH = "/backchannel-logout";

/**
 * Serves the application; returns what it has received with what it answered, and a function that breaks its store of ended
 * sessions for the next writes.
 */
export function serveExpressApp({ at, issuer, clientId, clientSecret }) {
  const received = [];
  const store = new MemoryStore();
  const set = store.set.bind(store);
  let broken = 0;
  store.set = (id, value, done) => (broken > 0 ? (broken--, done(new Error("the store is away"))) : set(id, value, done));
  const app = express();
  app.use(LOGOUT_PATH, (request, response, next) => {
    response.on("finish", () => received.push({ token: request.body?.logout_token, status: response.statusCode }));
    next();
  });
  app.use(
    auth({
      issuerBaseURL: issuer,
      baseURL: at.url,
      clientID: clientId,
      clientSecret,
      clientAuthMethod: "client_secret_post",
      secret: "a secret of this application's cookies",
      authorizationParams: { response_type: "code", scope: "openid" },
      authRequired: false,
      backchannelLogout: { store },
      session: { name: clientId },
    }),
  );
  app.get("/", (_, response) => response.send("welcome"));
  app.get("/me", ({ oidc }, response) => (oidc.isAuthenticated() ? response.json(oidc.idTokenClaims) : response.status(401).end()));
  at.serve(app);
  return { received, breakStore: (writes) => (broken = writes) };
}
