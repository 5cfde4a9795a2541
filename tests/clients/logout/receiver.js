// A place that logout tokens are sent to, and nothing else: it answers what a test says, and keeps
// what has come.

import { form, listen } from "./listener.js";

/** Listens; `answers` are the statuses of the first answers, and then it is 200. */
export async function startReceiver(answers = []) {
  const at = await listen();
  const received = [];
  at.serve(async (request, response) => {
    const fields = await form(request);
    const status = answers.shift() ?? 200;
    received.push({
      method: request.method,
      type: request.headers["content-type"],
      fields: [...fields.keys()],
      token: fields.get("logout_token"),
      status,
    });
    response.writeHead(status).end();
  });
  return { url: `${at.url}/logout`, received, stop: at.close };
}
