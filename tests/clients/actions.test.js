// Auth0's published node client against a running server: its calls for Actions.
//
// Where Auth0 takes source code, a component is uploaded: the client has no call for it, so that
// `fetch` does it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { ManagementError, Management } from "auth0";
import { busy, domain, management, newEvent, run, token, withToken } from "./server.js";

/** Writes into the session's metadata what its configuration says. */
const component = await readFile(process.env.VESTIBULE_ACTION);
/** Denies the login, and so asks for more. */
const denies = await readFile(process.env.VESTIBULE_DENYING_ACTION);
const { actions } = management;
const { bindings } = actions.triggers;
const nobody = "00000000-0000-4000-8000-000000000000";

/** Calls what the client has no call for. */
async function send(method, path, body, type = "application/json") {
  const headers = { authorization: `Bearer ${await token()}`, ...(body && { "content-type": type }) };
  return fetch(`https://${domain}/api/v2/actions/${path}`, { method, headers, body });
}

async function call(...request) {
  const answer = await send(...request);
  assert.ok(answer.ok, await answer.clone().text());
  return answer.status === 204 ? undefined : answer.json();
}

const upload = (id, bytes) => call("PUT", `actions/${id}/component`, bytes, "application/wasm");

const create = (name, more = {}) => actions.create({ name, supported_triggers: [{ id: "post-login", version: "v3" }], ...more });

/** An Action that was deployed. */
async function deployed(name, more) {
  const { id } = await create(name, more);
  await upload(id, component);
  await actions.deploy(id);
  return id;
}

const byName = (name) => ({ ref: { type: "action_name", value: name } });
const bind = (...names) => bindings.updateMany("post-login", { bindings: names.map(byName) });

/** Which version of an Action has run in a login, if one has. */
const versionOf = (outcome, name) => outcome.actions.find((action) => action.name === name)?.version;

/** Calls what has to be refused with just this exception of the client, and gives what the server has answered. */
async function refused(call, kind, status, code) {
  let found;
  await assert.rejects(call(), (error) => {
    assert.equal(error.constructor, kind, error.message);
    assert.ok(error instanceof ManagementError);
    assert.equal(error.statusCode, status, error.message);
    assert.equal(error.body.errorCode, code, error.message);
    assert.equal(error.body.statusCode, status);
    assert.ok(error.body.message.length > 0);
    found = error.body;
    return true;
  });
  return found;
}

after(async () => {
  await bind();
  const all = [];
  for await (const action of await actions.list()) {
    all.push(action.id);
  }
  for (const id of all) {
    await actions.delete(id);
  }
});

test("an Action is created, uploaded, deployed and bound, and the next login runs it", async () => {
  const created = await create("tier", { code: "", dependencies: [], runtime: "node22", configuration: { key: "tier" } });
  assert.deepEqual([created.name, created.all_changes_deployed, created.status], ["tier", false, undefined]);
  assert.deepEqual(created.supported_triggers, [{ id: "post-login", version: "v3" }]);
  const { id } = created;
  const built = await upload(id, component);
  assert.deepEqual([built.status, built.errors], ["built", []]);
  assert.ok(built.component.capabilities.includes("session.set-metadata"), built.component.capabilities);
  const version = await actions.deploy(id);
  assert.deepEqual([version.action_id, version.number, version.deployed, version.status], [id, 1, true, "built"]);
  const read = await actions.get(id);
  assert.deepEqual([read.status, read.all_changes_deployed, read.deployed_version.id], ["built", true, version.id]);
  const listed = await actions.list({ triggerId: "post-login", actionName: "tier", deployed: true });
  assert.deepEqual(listed.data, [read]);

  const before = newEvent();
  assert.equal(versionOf(await run(before), "tier"), undefined, "nothing runs that is not bound");
  const { bindings: bound } = await bindings.updateMany("post-login", {
    bindings: [{ ref: { type: "action_id", value: id }, display_name: "The tier" }],
  });
  assert.deepEqual([bound[0].display_name, bound[0].trigger_id, bound[0].action.id], ["The tier", "post-login", id]);
  const login = newEvent();
  assert.equal(versionOf(await run(login), "tier"), "1");
  assert.equal((await management.sessions.get(login.session.id)).session_metadata.tier, "🦀");

  // What is changed counts at once.
  const changed = await actions.update(id, { name: "level", configuration: { key: "level" } });
  assert.deepEqual([changed.name, changed.configuration], ["level", { key: "level" }]);
  const next = newEvent();
  assert.equal(versionOf(await run(next), "level"), "1");
  assert.equal((await management.sessions.get(next.session.id)).session_metadata.level, "🦀");
  await bind();
});

test("the triggers are listed, and an Action is for one of them", async () => {
  const { triggers } = await actions.triggers.list();
  const [trigger, ...others] = triggers;
  assert.deepEqual([trigger.id, trigger.version, trigger.status, others], ["post-login", "v3", "CURRENT", []]);
  const { id } = await actions.create({ name: "of-the-trigger", supported_triggers: [{ id: trigger.id }] });
  assert.deepEqual((await actions.get(id)).supported_triggers, [{ id: "post-login", version: "v3" }]);
});

test("a component that can't be built says why, and what runs goes on", async () => {
  const id = await deployed("mended");
  // What doesn't begin as a component does is not stored: the draft stays as it was.
  const source = await send("PUT", `actions/${id}/component`, "exports.onExecutePostLogin = async () => {}", "application/wasm");
  assert.deepEqual([source.status, (await source.json()).errorCode], [400, "not_wasm"]);
  const half = await send("PUT", `actions/${id}/component`, component.subarray(0, component.length / 2), "application/wasm");
  assert.deepEqual([half.status, (await half.json()).errorCode], [400, "invalid_component"]);
  // A component, and no Action: that is found out when it is built.
  const failed = await upload(id, Buffer.from("\0asm\x0d\0\x01\0", "latin1"));
  assert.deepEqual([failed.status, failed.errors[0].id], ["failed", "missing_export"]);
  assert.ok(failed.errors[0].msg.length > 0);
  const read = await actions.get(id);
  assert.deepEqual([read.status, read.errors], ["failed", failed.errors]);
  assert.deepEqual([read.all_changes_deployed, read.deployed_version.number], [false, 1]);
  const told = await refused(() => actions.deploy(id), Management.BadRequestError, 400, "build_failed");
  assert.ok(told.message.includes(failed.errors[0].msg), told.message);
  const mended = await upload(id, component);
  assert.deepEqual([mended.status, mended.errors], ["built", []]);
  assert.equal((await actions.deploy(id)).number, 2);
});

test("bindings are given by id and by name, keep their order, and come page by page", async () => {
  const ids = {};
  for (const name of ["first", "second", "third"]) {
    ids[name] = await deployed(name);
  }
  await bindings.updateMany("post-login", {
    bindings: [byName("third"), { ref: { type: "action_id", value: ids.first } }, byName("second")],
  });
  const names = [];
  const numbers = [];
  let page = await bindings.list("post-login", { per_page: 2 });
  assert.deepEqual([page.response.total, page.response.page, page.response.per_page], [3, 0, 2]);
  for (;;) {
    numbers.push(page.data.length);
    names.push(...page.data.map((binding) => binding.action.name));
    if (!page.hasNextPage()) break;
    page = await page.getNextPage();
  }
  assert.deepEqual([names, numbers], [["third", "first", "second"], [2, 1]]);
  const outcome = await run(newEvent());
  assert.deepEqual(outcome.actions.map((action) => action.name).slice(-3), names);

  // A binding that stays keeps its id.
  const { data: before } = await bindings.list("post-login");
  await bindings.updateMany("post-login", { bindings: [{ ref: { type: "binding_id", value: before[2].id } }, byName("third")] });
  const { data: left } = await bindings.list("post-login");
  assert.deepEqual(left.map((binding) => binding.id), [before[2].id, before[0].id]);
  const all = [];
  for await (const action of await actions.list({ per_page: 1 })) {
    all.push(action.name);
  }
  assert.deepEqual(all, [...all].sort());
  assert.ok(["first", "second", "third"].every((name) => all.includes(name)), all);
  await bind();
});

test("a draft is tried with a payload, and nothing is written", async () => {
  const { id } = await create("tried", { configuration: { key: "tried" }, secrets: [{ name: "KEY", value: "hunter2" }] });
  await refused(() => actions.test(id, { payload: newEvent() }), Management.BadRequestError, 400, "not_built");
  await upload(id, component);
  const payload = newEvent();
  const { payload: outcome } = await actions.test(id, { payload });
  assert.deepEqual([outcome.decision, outcome.session.metadata.tried], ["allow", "🦀"]);
  assert.equal(versionOf(outcome, "tried"), "draft");
  await refused(() => management.sessions.get(payload.session.id), Management.NotFoundError, 404, "inexistent_session");
  const log = await management.logs.list({ per_page: 100 });
  assert.ok(log.data.every((entry) => entry.session_id !== payload.session.id));
  assert.equal((await actions.get(id)).deployed_version, undefined);
  // The same login is made for the first time afterwards, by what is bound: not by the draft.
  assert.equal(versionOf(await run(payload), "tried"), undefined);
});

test("versions are listed, read, and deployed again", async () => {
  const id = await deployed("versioned");
  await bind("versioned");
  await upload(id, denies);
  const asks = await refused(() => actions.deploy(id), ManagementError, 409, "capabilities_not_accepted");
  assert.ok(asks.capabilities.includes("access.deny"), asks.capabilities);
  assert.equal(versionOf(await run(newEvent()), "versioned"), "1", "what runs goes on");
  const second = await call("POST", `actions/${id}/deploy`, JSON.stringify({ accept_capabilities: true }));
  const denied = await run(newEvent());
  assert.deepEqual([second.number, denied.decision, versionOf(denied, "versioned")], [2, "deny", "2"]);

  const { data } = await actions.versions.list(id);
  assert.deepEqual(data.map((version) => [version.number, version.deployed]), [[2, true], [1, false]]);
  const one = [];
  for await (const version of await actions.versions.list(id, { per_page: 1 })) {
    one.push(version.id);
  }
  assert.deepEqual(one, data.map((version) => version.id));
  const old = await actions.versions.get(id, data[1].id);
  assert.deepEqual(old, data[1]);

  const back = { update_draft: true, accept_capabilities: true };
  const again = await actions.versions.deploy(id, old.id, back);
  assert.deepEqual([again.id, again.number, again.deployed], [old.id, 1, true]);
  const allowed = await run(newEvent());
  assert.deepEqual([allowed.decision, versionOf(allowed, "versioned")], ["allow", "1"]);
  assert.equal((await actions.get(id)).all_changes_deployed, true);
  // Once more with nothing said, as the client does it.
  assert.equal((await actions.versions.deploy(id, old.id)).number, 1);
  assert.equal((await actions.versions.list(id)).data.length, 2, "no new version was made of an old one");
  await bind();
});

test("a secret comes back by its name and time alone", async () => {
  const created = await create("keeper", { secrets: [{ name: "KEY", value: "hunter2" }, { name: "OLD", value: "hunter2" }] });
  const { id } = created;
  await upload(id, component);
  const version = await actions.deploy(id);
  const kept = await actions.update(id, { secrets: [{ name: "KEY" }] });
  for (const [shown, names] of [[created, ["KEY", "OLD"]], [version, ["KEY", "OLD"]], [kept, ["KEY"]], [await actions.get(id), ["KEY"]]]) {
    assert.deepEqual(shown.secrets.map((secret) => secret.name).sort(), names);
    assert.ok(shown.secrets.every((secret) => Object.keys(secret).sort().join() === "name,updated_at" && Date.parse(secret.updated_at) > 0));
    assert.ok(!JSON.stringify(shown).includes("hunter2"));
  }
});

test("what became of a login is read by the execution that the log names", async () => {
  await deployed("recorded", { configuration: { key: "recorded" } });
  await bind("recorded");
  const login = newEvent();
  await run(login);
  await bind();
  const log = await management.logs.list({ per_page: 10 });
  const entry = log.data.find((entry) => entry.session_id === login.session.id);
  const execution = await kept(entry.details.execution_id);
  assert.deepEqual([execution.id, execution.trigger_id, execution.status], [entry.details.execution_id, "post-login", "final"]);
  assert.equal(execution.session_id, login.session.id);
  const result = execution.results.find((result) => result.action_name === "recorded");
  assert.deepEqual([result.version, result.error], ["1", undefined]);
  assert.ok(Date.parse(result.started_at) <= Date.parse(result.ended_at));
});

/** An execution: they are written after the login was answered. */
async function kept(id) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await actions.executions.get(id);
    } catch (error) {
      if (!(error instanceof Management.NotFoundError) || tries === 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

test("an Action that is bound is deleted with its bindings or not at all", async () => {
  const id = await deployed("deleted");
  await bind("deleted");
  await refused(() => actions.delete(id), ManagementError, 409, "action_bound");
  assert.equal(versionOf(await run(newEvent()), "deleted"), "1");
  await actions.delete(id, { force: true });
  await refused(() => actions.get(id), Management.NotFoundError, 404, "inexistent_action");
  assert.equal(versionOf(await run(newEvent()), "deleted"), undefined);
  assert.deepEqual((await bindings.list("post-login")).data, []);
  const unbound = await deployed("deleted");
  await actions.delete(unbound);
  await refused(() => actions.get(unbound), Management.NotFoundError, 404, "inexistent_action");
});

test("each error is the client's own exception", async () => {
  const { id } = await create("refused");
  const little = withToken(await token("read:logs")).actions;
  const unknown = withToken("no.such.token").actions;
  const toCreate = { name: "x", supported_triggers: [{ id: "post-login" }] };
  const { BadRequestError, UnauthorizedError, ForbiddenError, NotFoundError } = Management;
  const code = await refused(() => create("x", { code: "exports.onExecutePostLogin" }), BadRequestError, 400, "invalid_body");
  assert.ok(code.message.includes("/component"), code.message);
  const cases = [
    [() => create("no/name"), BadRequestError, 400, "invalid_body"],
    [() => actions.create({ name: "x" }), BadRequestError, 400, "invalid_body"],
    [() => actions.update(id, { secrets: [{ name: "NEW" }] }), BadRequestError, 400, "invalid_body"],
    [() => actions.get("no-id"), BadRequestError, 400, "invalid_uri"],
    [() => actions.list({ per_page: 1000 }), BadRequestError, 400, "invalid_query_string"],
    [() => actions.deploy(id), BadRequestError, 400, "not_built"],
    [() => bind("refused"), BadRequestError, 400, "action_not_deployed"],
    [() => bind("nobody"), BadRequestError, 400, "invalid_body"],
    [() => unknown.list(), UnauthorizedError, 401, "invalid_token"],
    [() => unknown.create(toCreate), UnauthorizedError, 401, "invalid_token"],
    [() => unknown.deploy(id), UnauthorizedError, 401, "invalid_token"],
    [() => little.get(id), ForbiddenError, 403, "insufficient_scope"],
    [() => little.create(toCreate), ForbiddenError, 403, "insufficient_scope"],
    [() => little.deploy(id), ForbiddenError, 403, "insufficient_scope"],
    [() => little.triggers.bindings.updateMany("post-login", { bindings: [] }), ForbiddenError, 403, "insufficient_scope"],
    [() => actions.get(nobody), NotFoundError, 404, "inexistent_action"],
    [() => actions.update(nobody, { name: "y" }), NotFoundError, 404, "inexistent_action"],
    [() => actions.delete(nobody), NotFoundError, 404, "inexistent_action"],
    [() => actions.versions.get(id, nobody), NotFoundError, 404, "inexistent_version"],
    [() => actions.executions.get(nobody), NotFoundError, 404, "inexistent_execution"],
    // The client has no types for these refusals of these calls.
    [() => actions.deploy(nobody), ManagementError, 404, "inexistent_action"],
    [() => create("refused"), ManagementError, 409, "action_name_taken"],
  ];
  for (const [call, kind, status, code] of cases) {
    await refused(call, kind, status, code);
  }
});

test("what the capability policy refuses is forbidden, with the list of what is too much", async () => {
  const { id } = await create("denier");
  await upload(id, denies);
  await call("PUT", "policy", JSON.stringify({ rules: { access: ["another"] } }));
  try {
    const told = await refused(() => actions.deploy(id), Management.ForbiddenError, 403, "capabilities_refused");
    assert.deepEqual(told.capabilities, ["access.deny"]);
    await refused(() => actions.test(id, { payload: newEvent() }), Management.ForbiddenError, 403, "capabilities_refused");
  } finally {
    await call("DELETE", "policy");
  }
  assert.equal((await actions.deploy(id)).number, 1);
});

test("too many requests are the client's own exception", async () => {
  const client = busy();
  const answers = await Promise.allSettled(Array.from({ length: 5 }, () => client.actions.get(nobody)));
  const errors = answers.map((answer) => answer.reason);
  assert.ok(errors.some((error) => error instanceof Management.TooManyRequestsError && error.statusCode === 429));
});
