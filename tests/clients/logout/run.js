// Runs the tests, with a certificate that all of them trust: node reads what it trusts once, when
// it starts.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeCertificates } from "./certificates.js";

const needed = { VESTIBULE_BIN: "the command `vestibule`", VESTIBULE_COMPONENT: "organization-session-metadata.wasm" };
for (const [name, what] of Object.entries(needed)) {
  if (!process.env[name]) {
    console.error(`${name} is not set: write the path of ${what} into it`);
    process.exit(2);
  }
}

const folder = await mkdtemp(join(tmpdir(), "vestibule-logout-"));
const { authority } = await writeCertificates(folder);
const tests = spawn(process.execPath, ["--test", "--test-reporter=spec", ...process.argv.slice(2)], {
  cwd: import.meta.dirname,
  env: { ...process.env, NODE_EXTRA_CA_CERTS: authority, LOGOUT_CERTIFICATES: folder },
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => tests.kill(signal));
const code = await new Promise((resolve) => tests.on("exit", (code) => resolve(code ?? 1)));
await rm(folder, { recursive: true, force: true });
process.exit(code);
