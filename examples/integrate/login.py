"""An identity platform's side of a login: `login.py EVENT.json`, and a line on standard input for the second factor."""
import json, os, sys, time, urllib.error, urllib.parse, urllib.request, uuid

URL = os.environ["VESTIBULE_URL"]
token = {"until": 0.0}


def call(path, body, headers={}):
    """One request, sent again with the same body until it is answered: the same transaction is never run twice."""
    for attempt in range(1, 6):
        request = urllib.request.Request(URL + path, json.dumps(body).encode(), {"content-type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            status, answer, wait = error.code, json.loads(error.read() or b"{}"), error.headers.get("retry-after")
        except OSError as error:
            status, answer, wait = 503, {"message": str(error)}, None
        if (status < 500 and status != 429) or attempt == 5:
            return status, answer
        time.sleep(min(float(wait or attempt), 10))


def authorized(path, body):
    if time.time() > token["until"]:
        client = {"client_id": os.environ["VESTIBULE_CLIENT_ID"], "client_secret": os.environ["VESTIBULE_CLIENT_SECRET"]}
        _, issued = call("/oauth/token", {"grant_type": "client_credentials", "audience": URL + "/api/v2/", **client})
        token.update(text=issued["access_token"], until=time.time() + issued["expires_in"] - 60)
    return call(path, body, {"authorization": "Bearer " + token["text"]})


def new_transaction(event):
    return {**event, "transaction": {**event.get("transaction", {}), "id": str(uuid.uuid4())}}


def new_session(event):
    return {**new_transaction(event), "session": {"id": str(uuid.uuid4())}}


# What is sent after a 409, by its `errorCode`. A session that is alive goes on: its cookie is all that the user has of it.
AFTER_CONFLICT = {
    "session_contended": lambda event: event,
    "transaction_mismatch": new_transaction,
    "answer_not_stored": new_transaction,
    "session_ended": new_session,
    "session_of_another_user": new_session,
}


def login(event, second_factor):
    for _ in range(3):
        status, outcome = authorized("/v1/post-login", event)
        following = AFTER_CONFLICT.get(outcome.get("errorCode")) if status == 409 else None
        if not following:
            break
        event = following(event)
    if status != 200:  # Without an answer there are no tokens: an Action may be what keeps this user out.
        return {"error": "temporarily_unavailable", "description": outcome.get("message")}
    if outcome["decision"] == "deny":
        return {"error": "access_denied", "description": outcome["reason"]}
    if outcome["decision"] != "allow":
        return {"error": "server_error", "description": "the login can't be completed"}
    session, factor = outcome["session"]["id"], outcome["multifactor"]
    if factor and not second_factor(factor):
        authorized(f"/v1/sessions/{urllib.parse.quote(session, safe='')}/end", {"initiator": "session-revoked"})
        return {"error": "access_denied", "description": "the second factor was not proved"}
    access, subject = outcome["access_token"], {"sub": event["user"]["user_id"]}
    scopes = event.get("transaction", {}).get("requested_scopes", []) + access["added_scopes"]
    scopes = [scope for scope in scopes if scope not in access["removed_scopes"]]
    return {
        "id_token": {**outcome["id_token"]["claims"], **subject, **({"sid": session} if session else {})},
        "access_token": {**access["claims"], **subject, "scope": " ".join(scopes)},
        "user": outcome["user"],  # members to set, and to remove where they are null
    }


with open(sys.argv[1]) as file:
    print(json.dumps(login(json.load(file), lambda _: sys.stdin.readline().strip() == "yes")))
