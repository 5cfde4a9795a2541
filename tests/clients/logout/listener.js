// An HTTPS server at a port of the system's choice. The port is known before there is anything to
// serve, because those who meet here know each other by their addresses.

import { once } from "node:events";
import { createServer } from "node:https";
import { tls } from "./certificates.js";

/** Listens. What it serves is set later, once, by `serve`. */
export async function listen() {
  const server = createServer(await tls());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // Where a test has failed before it closes this, node ends all the same.
  server.unref();
  const { port } = server.address();
  return {
    url: `https://localhost:${port}`,
    serve: (handler) => server.on("request", handler),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** A request's body, as the fields of a form. */
export async function form(request) {
  let body = "";
  for await (const part of request) body += part;
  return new URLSearchParams(body);
}
