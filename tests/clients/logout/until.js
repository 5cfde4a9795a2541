// Waiting for something that happens elsewhere, and not for ever.

import { setTimeout as sleep } from "node:timers/promises";

/** How long a delivery may take before it is said not to have happened. */
const PATIENCE = 20_000;

/** Asks again and again, and gives the first answer that is there. */
export async function until(what, ask, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what} has not happened in ${patience / 1000} s`);
    await sleep(50);
  }
}
