// What Vestibule is told: `vestibule.toml`. All names of its keys and scopes that these tests know
// stand here.

/** The client that the platform is, and what it may do. */
export const PLATFORM = "platform";
const SCOPES = [
  "run:post-login",
  ...["read:sessions", "update:sessions", "delete:sessions"],
  ...["create:clients", "read:clients", "update:clients", "delete:clients"],
  "read:logs",
];

/** The configuration's text. `issuer` is the platform, whose tokens the applications believe. */
export function configuration({ certificates, secretHash, component, issuer, applications = [] }) {
  const quoted = (value) => JSON.stringify(value);
  const list = (values) => `[${values.map(quoted).join(", ")}]`;
  const lines = [
    `listen = "127.0.0.1:0"`,
    `shutdown = { drain = "0 s" }`,
    `tls = { certificate = ${quoted(certificates.certificate)}, key = ${quoted(certificates.key)} }`,
    `logout = { allowed_networks = ["127.0.0.0/8", "::1/128"], authorities = ${quoted(certificates.authority)} }`,
    "",
    "[tenants.acme]",
    `hosts = ["localhost"]`,
    `rate = { per_second = 10000, burst = 10000 }`,
  ];
  if (issuer) lines.push(`logout = { issuer = ${quoted(issuer)} }`);
  lines.push("", "[[tenants.acme.actions]]", `component = ${quoted(component)}`);
  lines.push("", "[[tenants.acme.clients]]", `client_id = ${quoted(PLATFORM)}`, `secret_hash = ${quoted(secretHash)}`, `scopes = ${list(SCOPES)}`);
  for (const { clientId, logout } of applications) {
    lines.push("", "[[tenants.acme.clients]]", `client_id = ${quoted(clientId)}`, `oidc_logout = ${inline(logout)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** An object as TOML writes it on one line. */
function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${name} = ${inline(member)}`);
  return `{ ${members.join(", ")} }`;
}

/** A client's settings, as both the configuration and the Management API have them. */
export function oidcLogout(url, { include = false, initiators } = {}) {
  return {
    backchannel_logout_urls: [url],
    backchannel_logout_initiators: initiators ? { mode: "custom", selected_initiators: initiators } : { mode: "all" },
    ...(include && { backchannel_logout_session_metadata: { include: true } }),
  };
}
