// A certificate for this machine's own name, and the authority that it comes from. Everything in
// these tests speaks TLS by it.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generate } from "selfsigned";

const AUTHORITY = "authority.pem";
const CERTIFICATE = "certificate.pem";
const KEY = "key.pem";

/** Makes them in a folder. */
export async function writeCertificates(folder) {
  const made = { keyType: "ec", curve: "P-256", algorithm: "sha256" };
  const authority = await generate([{ name: "commonName", value: "Authority of the tests" }], {
    ...made,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  const server = await generate([{ name: "commonName", value: "localhost" }], {
    ...made,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }, { type: 7, ip: "127.0.0.1" }] },
    ],
  });
  await writeFile(join(folder, AUTHORITY), authority.cert);
  await writeFile(join(folder, CERTIFICATE), server.cert);
  await writeFile(join(folder, KEY), server.private, { mode: 0o600 });
  return places(folder);
}

/** Where they are, in the folder that `run.js` has made. */
export function certificates() {
  const folder = process.env.LOGOUT_CERTIFICATES;
  if (!folder) throw new Error("no certificates: run the tests by `npm test`, which makes them");
  return places(folder);
}

/** What a server of node needs of them. */
export async function tls() {
  const { certificate, key } = certificates();
  return { cert: await readFile(certificate), key: await readFile(key) };
}

function places(folder) {
  return { authority: join(folder, AUTHORITY), certificate: join(folder, CERTIFICATE), key: join(folder, KEY) };
}
