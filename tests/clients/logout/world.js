// All who take part: the platform, its two applications, and Vestibule.

import { oidcLogout } from "./configuration.js";
import * as express from "./express-app.js";
import { listen } from "./listener.js";
import * as openidClient from "./openid-client-app.js";
import { provide, signingKey } from "./provider.js";
import { startVestibule } from "./vestibule.js";

/** Starts all of them. `others` are applications that only hear of logouts: `{ clientId, logout }`. */
export async function startWorld(others = []) {
  const ends = [];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    return { ...(await start(others, (end) => ends.push(end))), stop };
  } catch (error) {
    // What is left open keeps node from ending.
    await stop();
    throw error;
  }
}

/** `atEnd` takes what has to be done to stop each. */
async function start(others, atEnd) {
  const [platform, shopAt, boardAt] = [await listen(), await listen(), await listen()];
  for (const listener of [platform, shopAt, boardAt]) atEnd(listener.close);
  const shop = { clientId: "shop", clientSecret: "secret of the shop", url: shopAt.url, logoutUrl: shopAt.url + express.LOGOUT_PATH };
  const board = { clientId: "board", clientSecret: "secret of the board", url: boardAt.url, logoutUrl: boardAt.url + openidClient.LOGOUT_PATH };
  const issuer = platform.url;
  const key = await signingKey();
  const vestibule = await startVestibule({
    issuer,
    keyPem: key.pem,
    keyId: key.id,
    applications: [
      { clientId: shop.clientId, logout: oidcLogout(shop.logoutUrl) },
      { clientId: board.clientId, logout: oidcLogout(board.logoutUrl, { include: true }) },
      ...others,
    ],
  });
  atEnd(vestibule.stop);
  provide({ at: platform, key, applications: [shop, board], postLogin: vestibule.postLogin });
  Object.assign(shop, express.serveExpressApp({ at: shopAt, issuer, ...shop }));
  board.received = await openidClient.serveOpenidClientApp({ at: boardAt, issuer, ...board });
  return { issuer, shop, board, vestibule };
}
