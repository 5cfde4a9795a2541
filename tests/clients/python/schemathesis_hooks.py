"""What no schema can say: which tenant a host is, which sessions there are, and a client's secret. `schemathesis.toml` names this module.

Nothing here makes a request right that was wrong, or wrong that was right.
"""

import functools
import itertools
import json
import os
import re

import requests
import schemathesis

ORIGIN = f"https://{os.environ['VESTIBULE_DOMAIN']}"
CERTIFICATE = os.environ["VESTIBULE_CERTIFICATE"]
SECRET = os.environ["VESTIBULE_SECRET"]
NUMBERS = itertools.count(1)
ANY_ACTION = "00000000-0000-4000-8000-000000000000"


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path == "/v1/post-login":
        complete(case.body)
    elif case.operation.path == "/oauth/token":
        authenticate(case.body)
    elif case.path_parameters.get("id") == "sess_new":
        case.path_parameters["id"] = new_session()
    elif case.path_parameters.get("id") == ANY_ACTION:
        case.path_parameters["id"] = an_action()


def complete(event):
    """Gives an event the tenant that is called, and a session where it has none."""
    if not isinstance(event, dict):
        return
    tenant = event.get("tenant")
    if isinstance(tenant, dict) and isinstance(tenant.get("id"), str) and re.fullmatch(r"[A-Za-z0-9._-]{1,255}", tenant["id"]):
        tenant["id"] = "acme"
    if event.get("session") is None:
        event["session"] = {"id": f"sess_{next(NUMBERS)}"}


def authenticate(body):
    """Gives the client that there is its secret, and lets it ask for all that it may have."""
    if not isinstance(body, dict) or body.get("client_id") != "platform":
        return
    if all(isinstance(body.get(name), str | None) for name in ("client_secret", "audience", "scope")):
        body["client_secret"] = SECRET
        body.pop("audience", None)
        body.pop("scope", None)


def new_session():
    """Logs a user in, and gives the session's id."""
    with open(os.environ["VESTIBULE_EVENT"], encoding="utf-8") as file:
        event = json.load(file)
    number = next(NUMBERS)
    event.update(session={"id": f"sess_{number}"}, transaction={"id": f"txn_{number}"})
    headers = {"authorization": f"Bearer {token()}"}
    requests.post(f"{ORIGIN}/v1/post-login", json=event, headers=headers, verify=CERTIFICATE).raise_for_status()
    return event["session"]["id"]


def an_action():
    """The id of an Action that is there."""
    headers = {"authorization": f"Bearer {token()}"}
    actions = f"{ORIGIN}/api/v2/actions/actions"
    listed = requests.get(f"{actions}?per_page=1", headers=headers, verify=CERTIFICATE).json()["actions"]
    if listed:
        return listed[0]["id"]
    body = {"name": f"made-{next(NUMBERS)}", "supported_triggers": [{"id": "post-login"}]}
    created = requests.post(actions, json=body, headers=headers, verify=CERTIFICATE)
    created.raise_for_status()
    return created.json()["id"]


@functools.cache
def token():
    client = {"grant_type": "client_credentials", "client_id": "platform", "client_secret": SECRET}
    answer = requests.post(f"{ORIGIN}/oauth/token", data=client, verify=CERTIFICATE)
    answer.raise_for_status()
    return answer.json()["access_token"]
