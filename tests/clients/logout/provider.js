// The platform: an OpenID provider that asks Vestibule at every login, and calls a session by the
// same id in both directions, as `sid`.

import { generateKeyPair, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { Provider, errors } from "oidc-provider";
import { USER } from "./vestibule.js";

/** A signing key, with an id as platforms give them: of their own choice. */
export async function signingKey() {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const id = "platform-2026-11";
  return {
    id,
    pem: privateKey.export({ type: "pkcs8", format: "pem" }),
    jwk: { ...privateKey.export({ format: "jwk" }), kid: id, use: "sig", alg: "RS256" },
  };
}

/** Serves the provider. `postLogin` is the question to Vestibule. */
export function provide({ at, key, applications, postLogin }) {
  const provider = new Provider(at.url, {
    jwks: { keys: [key.jwk] },
    clients: applications.map((application) => ({
      client_id: application.clientId,
      client_secret: application.clientSecret,
      redirect_uris: [`${application.url}/callback`],
      token_endpoint_auth_method: "client_secret_post",
      backchannel_logout_uri: application.logoutUrl,
      backchannel_logout_session_required: true,
    })),
    cookies: { keys: [randomBytes(32).toString("hex")] },
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
    interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    // Every authorization comes by here once the user is known, whether by a fresh login or by a
    // session that goes on.
    async loadExistingGrant({ oidc }) {
      const { session, client, provider } = oidc;
      const outcome = await postLogin({ session: session.uid, client: client.clientId, user: session.accountId });
      if (outcome.decision !== "allow") throw new errors.AccessDenied("an Action has denied the login");
      session.sidFor(client.clientId, session.uid);
      const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
      grant.addOIDCScope("openid");
      await grant.save();
      return grant;
    },
  });
  // A failure of the server itself isn't the applications' to tell.
  provider.on("server_error", (_, error) => console.error(error));
  const serve = provider.callback();
  at.serve((request, response) => {
    if (!request.url.startsWith("/login/")) return serve(request, response);
    // The login page: it knows everybody at once, because who the user is isn't what is tested.
    const finished = provider.interactionFinished(request, response, { login: { accountId: USER } });
    return finished.catch((error) => response.writeHead(500).end(String(error)));
  });
}
